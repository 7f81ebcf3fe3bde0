"""The exams that ports and steps must pass, shipped for the authors of adapters.

An engine's test is a subclass of three lines:

    class TestMyLog(EventLogExam):
        def open(self, folder):
            return MyLog(folder)
"""

from rialto.testing.blobs import BlobsExam
from rialto.testing.canvas import CanvasExam
from rialto.testing.chain import ChainExam
from rialto.testing.critic import CriticExam
from rialto.testing.events import EventLogExam, some_events
from rialto.testing.gaps import Exam
from rialto.testing.geo import GeoIndexExam
from rialto.testing.jobs import JobsExam
from rialto.testing.models import ModelsExam
from rialto.testing.store import FeatureStoreExam
from rialto.testing.text import TextIndexExam
from rialto.testing.travel import TravelTimesExam
from rialto.testing.vectors import VectorIndexExam
from rialto.testing.writer import WriterExam

__all__ = [
    "BlobsExam",
    "CanvasExam",
    "ChainExam",
    "CriticExam",
    "EventLogExam",
    "Exam",
    "FeatureStoreExam",
    "GeoIndexExam",
    "JobsExam",
    "ModelsExam",
    "TextIndexExam",
    "TravelTimesExam",
    "VectorIndexExam",
    "WriterExam",
    "some_events",
]
