"""The one exception tree. A message names the object, the value found, the value wanted, the way out.

GristmillError               exit code 1
|-- RecipeError              exit code 2: the recipe or an override is wrong; nothing was started
|-- SourceError              a corpus source cannot be read at all (one bad file is a reject, not an error)
|-- StoreError               an artifact is missing, damaged, or the store cannot be written
|-- ModelError               a model folder or checkpoint does not fit what is asked of it
|-- TrainingError            a run of training cannot go on (no data, not a number, wrong world size)
|-- SandboxError             no sandbox backend holds on this machine
|-- RequestError             a request to an endpoint is wrong; carries the HTTP status and the field
|-- ClusterError             the cluster cannot be reached, started or asked for that pool
`-- JobError                 a submitted job failed; carries Ray's kind of failure in plain words
"""


class GristmillError(Exception):
    """Base of every error that Gristmill raises on purpose; its text is meant for the user."""

    exit_code = 1


class RecipeError(GristmillError):
    """The recipe or an override is wrong; nothing was started."""

    exit_code = 2


class SourceError(GristmillError):
    """A corpus source cannot be read at all."""


class StoreError(GristmillError):
    """An artifact is missing or damaged, or the store cannot be written."""


class ModelError(GristmillError):
    """A model folder or checkpoint does not fit what is asked of it."""


class TrainingError(GristmillError):
    """Training cannot go on."""


class SandboxError(GristmillError):
    """No sandbox backend holds on this machine."""


class RequestError(GristmillError):
    """A request is wrong. `status` is the HTTP status, `param` the field, `code` OpenAI's error code."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """`retry_after_s` is when the same request may succeed, for 429 and 503."""
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s


class ClusterError(GristmillError):
    """The cluster cannot be reached, started, or has no such pool."""


class JobError(GristmillError):
    """A submitted job failed."""
