"""What callbacks of scikit-learn need beside what they do after each round of a fit."""


class RoundCallback:
    """A callback with nothing to do but `on_fit_task_end`."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass
