"""Seeded made-up worlds with known truth: a shop, a city and a campaign, so that every claim can be tried with no network."""
