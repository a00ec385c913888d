"""A loss called as each boosting library calls it."""

from logitloss.boosting import CatBoostLoss, LightGBMLoss


def derivatives(loss, labels, margins, weight=None):
    """Gradient and hessian by the names and signs of the library."""
    if isinstance(loss, CatBoostLoss):
        return -loss.calc_ders_range(margins, labels, weight).T
    return loss.sklearn_objective(labels, margins, weight)


def mean(loss, labels, margins, weight=None):
    """The metric by the names of the library."""
    if isinstance(loss, CatBoostLoss):
        return loss.get_final_error(*loss.evaluate((margins,), labels, weight))
    if isinstance(loss, LightGBMLoss):
        return loss.sklearn_metric(labels, margins, weight)[1]
    return loss.sigmoid_cross_entropy(labels, margins, weight)
