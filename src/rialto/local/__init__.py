"""Engines that run in this process, one module for each need; every port has one here."""
