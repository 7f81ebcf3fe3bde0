"""ONNX models scored by ONNX Runtime (extra `neural`): one float32 table in, one number a row out."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineMissing

__all__ = ["OnnxScorer"]


class OnnxScorer:
    """A loaded ONNX model that gives one raw score a row.

    Args:
        body: The model's file.
        names: Inputs in column order; the model takes one float32 tensor (rows, inputs).
        threads: Threads within one call; 0 = as many as there are processors.
        providers: ONNX Runtime's execution providers, best first; CPU is in every build.

    Raises:
        BadInput: ONNX Runtime cannot load `body`, or its input or output has another form.
        EngineMissing: ONNX Runtime is not installed.

    Cost:
        Safe to call from several threads. A row's score may differ in the last bits with the size of its batch, as matrix products
        are divided by size: a relative 1e-6.
    """

    def __init__(
        self, body: bytes, names: Sequence[str], *, threads: int = 0, providers: Sequence[str] = ("CPUExecutionProvider",)
    ) -> None:
        try:
            import onnxruntime

            state = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
        except ImportError as missing:
            raise EngineMissing("onnxruntime", "pip install 'rialto[neural]'") from missing
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        failures = tuple(
            getattr(state, name)
            for name in ("Fail", "InvalidGraph", "InvalidProtobuf", "InvalidArgument", "NotImplemented", "RuntimeException")
        )
        self._failures: tuple[type[Exception], ...] = failures
        try:
            self._session: Any = onnxruntime.InferenceSession(body, options, providers=list(providers))
        except (*failures, ValueError) as refused:
            raise BadInput(f"ONNX Runtime cannot load these {len(body)} bytes: {refused}") from refused
        self.names = tuple(names)
        self._input, self._output = self._check()

    def score(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score rows: shape (rows,) float64 from (rows, inputs) float32; `BadInput` where the model refuses them or answers otherwise."""
        rows = np.shape(inputs)[0]
        if rows == 0:
            return np.zeros(0)
        try:
            (answer,) = self._session.run([self._output], {self._input: np.ascontiguousarray(inputs, dtype=np.float32)})
        except self._failures as refused:
            raise BadInput(f"the ONNX model refuses inputs of shape {np.shape(inputs)}: {refused}") from refused
        if answer.shape not in ((rows,), (rows, 1)):
            raise BadInput(f"the ONNX model answers with shape {answer.shape} to {rows} rows; wanted ({rows},) or ({rows}, 1).")
        return np.asarray(answer, dtype=np.float64).reshape(rows)

    def _check(self) -> tuple[str, str]:
        taken, given = self._session.get_inputs(), self._session.get_outputs()
        form = [(i.name, i.type, i.shape) for i in taken]
        width = taken[0].shape[1] if len(taken) == 1 and len(taken[0].shape) == 2 else None
        fits = len(taken) == 1 and taken[0].type == "tensor(float)" and (width == len(self.names) or isinstance(width, str))
        if not fits or isinstance(taken[0].shape[0], int):
            raise BadInput(
                f"the ONNX model takes {form}; wanted one tensor(float) of shape (rows, {len(self.names)}), rows unfixed."
            )
        if not given or given[0].type not in ("tensor(float)", "tensor(double)"):
            raise BadInput(f"the ONNX model gives {[(o.name, o.type) for o in given]}; wanted numbers first, one a row.")
        return taken[0].name, given[0].name
