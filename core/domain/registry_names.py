"""Names in MLflow that the registry adapter writes and that serving reads over REST."""

CHAMPION = "champion"
"""The alias of the version that is live."""

MODEL_FILE = "model.onnx"
"""The model file among a version's artifacts."""

DIGEST_TAG = "driftdesk.digest"
"""A version's tag: the SHA-256 of its model file, in hex."""

JOB_TAG = "driftdesk.job"
"""A version's tag: the job that registered it."""

TRACE_TAG = "driftdesk.traceparent"
"""A version's tag: the trace that made it champion, which serving's swap continues."""

NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"
"""MLflow's error code for a model or version that does not exist."""

NO_ALIAS = "INVALID_PARAMETER_VALUE"
"""MLflow's error code for an alias that a registered model does not have."""
