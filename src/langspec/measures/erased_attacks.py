"""What non-linear attackers read of the vectors that the task's head reads, behind each eraser."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from langspec.attackers.known_attackers import attacker_classes
from langspec.erasure.choice import eraser_classes
from langspec.measures.base import RUN, Cost, Findings, Measure, Shape, Subject
from langspec.measures.beyond_linear import attack_seconds
from langspec.measures.eraser_tables import ATTACKED
from langspec.measures.fitted_erasers import fitted_erasers
from langspec.measures.spec import TableSpec
from langspec.measures.task_text_leak import task_text_bank, task_text_options
from langspec.results import ATTACK, Result


class ErasedAttacks(Measure):
    """The attackers of ``erasers.attackers`` on vectors as they are and behind each eraser.

    They read the unit and the layer that the task's head reads, of each method's first seed that
    did not fail:
    language text by line and, where ``beyond.task_text`` asks for it, the task's test texts.
    """

    name: ClassVar[str] = ATTACK
    order: ClassVar[int] = 61
    title: ClassVar[str] = "attackers behind erasers"
    key: ClassVar[str] = "erasers"
    subjects: ClassVar[frozenset[str]] = frozenset({RUN})
    tables: ClassVar[tuple[TableSpec, ...]] = (ATTACKED,)

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Are erasers and attackers asked for?"""
        return bool(evaluate.erasers.run and evaluate.erasers.attackers)

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost:
        """The cost of every attacker behind every eraser, and on vectors as they are."""
        values, task_text = config.evaluate.erasers, config.evaluate.beyond.task_text
        places = len(set(values.of) & set(config.train.all_methods)) * (1 + len(values.run))
        most = config.features.tokens.train
        trains = [min(most, values.attack_train or most)] + [task_text] * bool(task_text)
        seconds = sum(attack_seconds(config, shape, values.attackers, train) for train in trains)
        count = places * len(trains) * len(values.attackers)
        return Cost(ATTACK, f"{count} attackers behind erasers", places * seconds)

    def applies(self, subject: Subject) -> bool:
        """Is the subject the first seed of a method that ``erasers.of`` names?"""
        return super().applies(subject) and subject.first and subject.method in self.values.of

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows by corpus and eraser; eraser "": of vectors as they are."""
        task_text = [self.bench.task.name] * bool(self.bench.config.evaluate.beyond.task_text)
        for corpus in (self.bench.corpus, *task_text):
            for name in ("", *self.values.run):
                findings.add(self._rows(subject, name, corpus))

    def _rows(self, subject: Subject, name: str, corpus: str) -> list[Result]:
        from langspec.measurement.attacks import attacked_bank
        from langspec.measurement.rows import Origin

        bench, layer, values = self.bench, subject.model.head_layer, self.values
        seed, options = subject.encoder_seed, bench.config.evaluate.attackers

        def compute() -> list[Result]:
            origin = Origin(bench.task.name, subject.method, seed, corpus, "test", ATTACK, name)
            return attacked_bank(
                self._bank(subject, name, corpus),
                layer,
                origin,
                values.attackers,
                options,
                bench.probe,
                bench.bootstrap,
                units=[self._unit if corpus == bench.corpus else bench.task.unit],
                seed=bench.config.evaluate.seed,
                most=values.attack_train,
            )

        key = {"state": subject.state, "layer": layer, "eraser": name, "unit": self._unit}
        key |= fitted_erasers(bench).key | bench.probe_key
        key["most"] = values.attack_train
        key["attackers"] = {one: getattr(options, one).model_dump() for one in values.attackers}
        if corpus != bench.corpus:
            most = bench.config.evaluate.beyond.task_text
            key |= {"task_bank": asdict(task_text_options(bench, most)), **bench.task_key}
        code: list[Any] = [attacker_classes()[one] for one in values.attackers]
        code += [eraser_classes()[one] for one in (name,) if one]
        return self.cached_rows("attacks", key, compute, *code, method=subject.method, seed=seed)

    @property
    def _unit(self) -> str:
        """The unit that erasers of the head's vectors are fitted on; pairs: single texts."""
        return "token" if self.bench.task.unit == "token" else "sentence"

    def _bank(self, subject: Subject, name: str, corpus: str) -> Any:
        """The bank of the language text or of the task's test texts, behind an eraser."""
        from langspec.measurement.erased import ErasedBank

        bench, layer = self.bench, subject.model.head_layer
        if corpus == bench.corpus:
            bank = bench.text_bank(subject.model.encoder, subject.state, subject.title)
        else:
            bank = task_text_bank(bench, subject, bench.config.evaluate.beyond.task_text)
        if not name:
            return bank
        maps = fitted_erasers(bench).maps(subject, name, [self._unit], [layer])
        return ErasedBank(bank.folder, bank.meta, maps)
