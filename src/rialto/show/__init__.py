"""Creatives: which text, image and layout goes in this place?"""
