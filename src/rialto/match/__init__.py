"""Driver matching: which driver takes which order, now?"""
