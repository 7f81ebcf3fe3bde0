"""Champion against challenger on a live fleet: the plan as a file, and what the logs say of the blocks that ran under it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rialto.app.engines import Engines, declare
from rialto.app.fleet_logs import OpenedLogs
from rialto.config import Settings
from rialto.errors import BadInput, BadSettings, NothingHere
from rialto.match import decide
from rialto.match.features import NAMES
from rialto.match.simulate import Policy
from rialto.match.switchback import Plan, Trial, arms_logged, trial
from rialto.spine.log import DecisionLog
from rialto.spine.params import overrides_of

__all__ = ["REGION", "plan_of", "policy_at", "read_plan", "tried"]

REGION = 0
"""A fleet is one region: its drivers go wherever its orders are, so all of it is under one policy at a time."""


class _Arm(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = ""
    greedy: bool = False
    version: str | None = None
    overrides: dict[str, float] = {}

    def policy(self, name: str) -> Policy:
        return Policy(self.name or name, decide.greedy if self.greedy else decide.assignment, self.version, self.overrides)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, Field(min_length=1)]
    challenger: _Arm
    champion: _Arm = _Arm()
    block_s: float = 3600.0
    washout_s: float = 900.0
    tail_s: float = 300.0


def read_plan(file: Path) -> Plan:
    """The plan in a TOML file.

    Args:
        file: `name`, `block_s`, `washout_s`, `tail_s`, and the tables `[champion]` (as the fleet is, where absent) and `[challenger]`,
            each with `name`, `greedy`, `version` and `overrides` (param = number), as far as it differs.

    Raises:
        BadSettings: The file cannot be read, names what does not exist, or both arms are the same.
    """
    try:
        told = _File.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        arms = told.champion.policy("champion"), told.challenger.policy("challenger")
        if (arms[0].decider, arms[0].version, arms[0].overrides) == (arms[1].decider, arms[1].version, arms[1].overrides):
            raise BadInput("both arms decide alike; give the challenger overrides, a version or greedy = true.")
        declare()  # params are known by the modules that declare them
        for arm in arms:
            overrides_of(arm.overrides, 0)
        return Plan(told.name, *arms, block_s=told.block_s, washout_s=told.washout_s, tail_s=told.tail_s)
    except OSError as e:
        raise BadSettings([f"the experiment's plan {str(file)!r} cannot be read: {e.strerror}."]) from None
    except ValidationError as e:
        wrong = [f"{'.'.join(str(p) for p in error['loc'])}: {error['msg']}" for error in e.errors()]
        raise BadSettings([f"the experiment's plan {str(file)!r}: {text}." for text in wrong]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, BadInput, BadSettings) as e:
        raise BadSettings([f"the experiment's plan {str(file)!r}: {e}"]) from None


def plan_of(engines: Engines) -> Plan | None:
    """The plan that the setting `fleet.experiment` names; None where it names none.

    Raises:
        BadSettings: As `read_plan`, or an arm's acceptance model is not there.
    """
    settings: Settings = engines.settings
    if not settings.fleet.experiment:
        return None
    plan = read_plan(Path(settings.fleet.experiment))
    for arm in (plan.champion, plan.challenger):
        try:
            if arm.version:
                engines.models().score(arm.version, np.zeros((0, len(NAMES)), dtype=np.float32))
        except NothingHere as e:
            raise BadSettings([f"fleet.experiment = {settings.fleet.experiment!r}: {e}"]) from None
    return plan


def policy_at(plan: Plan | None, at_s: float) -> tuple[Policy, int | None]:
    """Who decides a fleet's window at a moment, and the arm to write into its record; the fleet as it is, and None, without a plan."""
    if plan is None:
        return Policy("fleet"), None
    arm = int(plan.arms(np.array([at_s]), np.array([REGION]))[0])
    return (plan.champion, plan.challenger)[arm], arm


def tried(plan: Plan, logs: OpenedLogs, *, level: float = 0.95) -> Trial:
    """What became of a fleet's orders in the blocks whose windows were decided under the plan, as its logs of decisions tell.

    Raises:
        BadInput: No window was decided under a plan, or one by another plan; or too few blocks in an arm.
    """
    blocks = arms_logged(plan, [DecisionLog(log) for log in logs.decisions], region=REGION)
    return trial(plan, {REGION: logs.offers}, level=level, ran={REGION: blocks})
