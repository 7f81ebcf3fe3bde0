"""The exams that ports and steps must pass, shipped for the authors of adapters.

An engine's test is a subclass of three lines:

    class TestMyLog(EventLogExam):
        def open(self, folder):
            return MyLog(folder)
"""
