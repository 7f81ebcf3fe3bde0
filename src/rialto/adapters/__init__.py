"""Engines for those who outgrow one machine, one module for each server; the only place that touches client libraries."""
