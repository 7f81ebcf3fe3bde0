"""Product search: which products, in what order, for this query?"""
