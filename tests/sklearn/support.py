"""Data that come with scikit-learn, by their number of classes."""

import pytest

datasets = pytest.importorskip("sklearn.datasets")
DATA = {2: datasets.load_breast_cancer(return_X_y=True), 3: datasets.load_iris(return_X_y=True)}
