"""Offers: a small state machine for every order and driver, behind an event log, in columns."""

from rialto.match.offers.messages import Answered, Answers, Message, Messages, Offered, keys_of
from rialto.match.offers.offers import Offers

__all__ = ["Answered", "Answers", "Message", "Messages", "Offered", "Offers", "keys_of"]
