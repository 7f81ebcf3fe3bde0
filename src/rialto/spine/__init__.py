"""The chain that every decision takes: retrieve, filter, features, rank in phases, decide, log, learn, experiment."""
