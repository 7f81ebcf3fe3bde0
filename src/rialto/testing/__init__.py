"""The exams that ports and steps must pass, shipped for the authors of adapters.

An engine's test is a subclass of three lines:

    class TestMyLog(EventLogExam):
        def open(self, folder):
            return MyLog(folder)
"""

from rialto.testing.blobs import BlobsExam
from rialto.testing.chain import ChainExam
from rialto.testing.events import EventLogExam, some_events
from rialto.testing.gaps import Exam
from rialto.testing.jobs import JobsExam
from rialto.testing.store import FeatureStoreExam
from rialto.testing.text import TextIndexExam
from rialto.testing.vectors import VectorIndexExam
from rialto.testing.writer import WriterExam

__all__ = [
    "BlobsExam",
    "ChainExam",
    "EventLogExam",
    "Exam",
    "FeatureStoreExam",
    "JobsExam",
    "TextIndexExam",
    "VectorIndexExam",
    "WriterExam",
    "some_events",
]
