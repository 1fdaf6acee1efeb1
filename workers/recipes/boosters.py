"""LightGBM, XGBoost and CatBoost in the recipe `estimator`: how skl2onnx exports them.

onnxmltools has converters for the first two; CatBoost writes ONNX itself. Only libraries that the
team's own package has imported are registered, so none of the three needs to be installed.
"""

from __future__ import annotations

import sys
from typing import Any

from onnx import TensorProto, helper

from core.domain.errors import RecipeFailed

_ZIPMAP = {"zipmap": [True, False, "columns"], "nocl": [True, False]}
"""The options of classifiers in skl2onnx."""


def register() -> None:
    """Let skl2onnx export the models of those libraries that are imported.

    Raises:
        RecipeFailed: a library needs onnxmltools, which is not installed.
    """
    loaded = [name for name in ("lightgbm", "xgboost", "catboost") if name in sys.modules]
    if not loaded:
        return
    from skl2onnx import update_registered_converter  # noqa: PLC0415 - takes a second
    from skl2onnx.common import shape_calculator as shapes  # noqa: PLC0415

    for library in loaded:
        try:
            regressor, classifier, converter = _FOR[library]()
        except ImportError as error:
            raise RecipeFailed(
                f"A recipe that uses {library} needs onnxmltools, which is not installed where the "
                "workers run. Install the dependency group boosters there."
            ) from error
        numbers = shapes.calculate_linear_regressor_output_shapes
        classes = shapes.calculate_linear_classifier_output_shapes
        update_registered_converter(regressor, regressor.__name__, numbers, converter)
        update_registered_converter(
            classifier,
            classifier.__name__,
            classes,
            converter,
            parser=_parse_catboost if library == "catboost" else None,
            options=_ZIPMAP,
        )


def _lightgbm() -> tuple[Any, Any, Any]:
    from lightgbm import LGBMClassifier, LGBMRegressor  # noqa: PLC0415 - an extra
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import (  # noqa: PLC0415
        convert_lightgbm,
    )

    return LGBMRegressor, LGBMClassifier, convert_lightgbm


def _xgboost() -> tuple[Any, Any, Any]:
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import (  # noqa: PLC0415 - an extra
        convert_xgboost,
    )
    from xgboost import XGBClassifier, XGBRegressor  # noqa: PLC0415

    return XGBRegressor, XGBClassifier, convert_xgboost


def _catboost() -> tuple[Any, Any, Any]:
    from catboost import CatBoostClassifier, CatBoostRegressor  # noqa: PLC0415 - an extra

    return CatBoostRegressor, CatBoostClassifier, _convert_catboost


_FOR = {"lightgbm": _lightgbm, "xgboost": _xgboost, "catboost": _catboost}


def _parse_catboost(scope: Any, model: Any, inputs: Any, **_: Any) -> Any:
    """Declare the outputs of a CatBoost classifier, which skl2onnx does not recognise as one."""
    from skl2onnx.common.data_types import Int64TensorType, guess_tensor_type  # noqa: PLC0415

    operator = scope.declare_local_operator(type(model).__name__, model)
    operator.inputs = inputs
    for name, kind in (
        ("label", Int64TensorType()),
        ("probabilities", guess_tensor_type(inputs[0].type)),
    ):
        operator.outputs.append(scope.declare_local_variable(name, kind))
    return operator.outputs


def _convert_catboost(scope: Any, operator: Any, container: Any) -> None:
    """Insert CatBoost's own export, a single tree node, into the pipeline's graph.

    CatBoost and the node both compare numbers in single precision.
    """
    from catboost.utils import convert_to_onnx_object  # noqa: PLC0415
    from skl2onnx.common.data_types import guess_proto_type  # noqa: PLC0415

    trees = convert_to_onnx_object(operator.raw_operator).graph.node[0]
    attributes = {a.name: helper.get_attribute_value(a) for a in trees.attribute}
    floats, answer = (scope.get_unique_variable_name(f"catboost.{n}") for n in ("in", "out"))
    *label, last = operator.outputs
    container.add_node("Cast", operator.inputs[0].full_name, floats, to=TensorProto.FLOAT)
    container.add_node(
        trees.op_type,
        floats,
        [*(output.full_name for output in label), answer],
        op_domain="ai.onnx.ml",
        name=scope.get_unique_operator_name("CatBoost"),
        **attributes,
    )
    container.add_node("Cast", answer, last.full_name, to=guess_proto_type(last.type))
