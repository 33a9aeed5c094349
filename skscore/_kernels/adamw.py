"""A step of AdamW and of the running average of the weights, in one pass over them, in single precision."""

import numpy as np
from numba import njit

ONE = np.float32(1.0)


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def adamw(gradient, factor, betas, rate, root, eps, kept, followed, theta, first, second, average):
    """Move one network's weights θ, the moments of its gradient and the average of θ, all of shape (P,), in place.

    The gradient is multiplied by `factor`. `rate` and `root` are those of moments without bias, `kept` is what weight
    decay leaves of θ, and `followed` how far the average goes towards θ.
    """
    beta_1, beta_2 = betas
    for j in range(theta.shape[0]):
        g = factor * gradient[j]
        m = beta_1 * first[j] + (ONE - beta_1) * g
        v = beta_2 * second[j] + (ONE - beta_2) * g * g
        moved = kept * theta[j] - rate * m / (root * np.sqrt(v) + eps)
        first[j], second[j], theta[j] = m, v, moved
        average[j] += followed * (moved - average[j])
