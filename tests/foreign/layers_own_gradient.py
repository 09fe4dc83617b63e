"""Invented: wrong gradients under a right forward pass."""

import numpy as np
from foreign.labels import BATCH, LEFT_OUT, both, label
from foreign.right import Right


class ScaleGradientNotCentred(Right):
    LABEL = label(
        "dgamma x_hat mean deviation",
        "dgamma is sum(dy x r): the mean is not subtracted",
        [
            both(
                "dgamma|x_hat",
                r"(uncent|not cent|\bmean\b.{0,25}(not subtracted|left out|missing|omit|ignor|left in)|without (the )?mean|raw x|\bx r\b|\bx in place of)",
            )
        ],
        when="where there is a gradient",
        condition="has_dy and 'gamma' in affine and m > 0",
        reject=[r"mean\(dy\)", "mean_dy"],
    )

    def normalized(self, rows, mean, r):
        self.scaled = rows * r[:, None]
        return super().normalized(rows, mean, r)

    def dgamma(self, dy, x_hat):
        return (dy * self.scaled).sum(1)


class InputGradientUnscaled(Right):
    LABEL = label(
        "dx gamma",
        "dx lacks the factor gamma",
        [both("gamma", LEFT_OUT), both("dx", "gamma")],
        when="where there is a gradient, with gamma",
        condition="has_dy and 'gamma' in affine and (m > 1 or not training)",
        reject=[r"twice|squared"],
    )

    def dx(self, dy, x_hat, r):
        return super().dx(dy, x_hat, r) / self.gamma[:, None]


class GammaTwice(Right):
    LABEL = label(
        "dx gamma dy",
        "dx is multiplied by gamma twice",
        [both("gamma", r"(twice|two times|²|squared|\*\*2|\^2|two factors|again|scaled by gamma)")],
        when="where there is a gradient, with gamma",
        condition="has_dy and 'gamma' in affine and (m > 1 or not training)",
    )

    def dx(self, dy, x_hat, r):
        return super().dx(dy, x_hat, r) * self.gamma[:, None]


class OneLessInTheBackward(Right):
    LABEL = label(
        "mean_dy m dx count",
        "mean(dy) divides by m - 1",
        [both(r"(dx|dy|mean_dy|backward|gradient|divi)", r"(m ?[-−] ?1|ddof|bessel|m/\(m-1\))")],
        when="training, m > 1",
        condition="training and has_dy and m > 1",
        reject=[r"running_var"],
    )

    def mean_dy(self, dy):
        return super().mean_dy(dy) * (self.m / max(self.m - 1, 1))


class ShiftGradientIsMean(Right):
    LABEL = label(
        "dbeta m",
        "dbeta is the mean of dy, not the sum",
        [both("dbeta|gradient", r"(mean|average|/ ?m\b|1 ?/ ?m|divided by|not (the )?sum)")],
        when="where there is a gradient, m > 1",
        condition="has_dy and 'beta' in affine and m > 1",
    )

    def dbeta(self, dy, x_hat):
        return super().dbeta(dy, x_hat) / max(self.m, 1)


class ProjectionAdded(Right):
    LABEL = label(
        "mean_dy_x_hat dx",
        "the x_hat term of dx has the wrong sign",
        [both("dx|mean_dy|term|x_hat", r"(sign|negat|by [-−]1|[-−]1\b|opposite|\+ ?x_hat|plus x_hat|added)")],
        when="training",
        condition="training and has_dy and m > 1",
    )

    def mean_dy_x_hat(self, dy, x_hat):
        return -super().mean_dy_x_hat(dy, x_hat)


class BatchHatInInference(Right):
    LABEL = label(
        "dgamma x_hat",
        "dgamma of inference takes x_hat from the batch's own statistics",
        [BATCH],
        when="inference with a gradient",
        condition="not training and has_dy and 'gamma' in affine and m > 0",
    )

    def normalized(self, rows, mean, r):
        own = self.mean(rows)
        self.own = Right.normalized(self, rows, own, self.inverse_root(self.variance(rows, own)))
        return super().normalized(rows, mean, r)

    def dgamma(self, dy, x_hat):
        return super().dgamma(dy, x_hat if self.training else self.own)


class ScaleGradientWithoutEps(Right):
    LABEL = label(
        "dgamma eps root x_hat",
        "dgamma divides by sqrt(var): eps is left out there",
        [both("eps", LEFT_OUT), r"\b0 ?(\*|times)? ?eps", r"eps (is |of |= ?)?0\b"],
        when="where there is a gradient, with gamma",
        condition="has_dy and 'gamma' in affine and m > 1",
    )

    def dgamma(self, dy, x_hat):
        var = np.maximum(self.r**-2.0 - self.eps, 0)
        return super().dgamma(dy, x_hat) / np.where(var > 0, np.sqrt(var) * self.r, 1)


class InputGradientClipped(Right):
    LABEL = label(
        "dx",
        "dx is clipped to ±1",
        [both("dx|gradient", r"(clip|clamp|limit|saturat|±|cut off|min\(|max\(|at most)")],
        when="where some |dx| > 1",
        condition="has_dy and m > 0",
    )

    def dx(self, dy, x_hat, r):
        return np.clip(super().dx(dy, x_hat, r), -1, 1)


class RectifierOfAnotherLayer(Right):
    LABEL = label(
        "dy y dx",
        "dy is set to 0 where y is not positive, as behind a ReLU that is not there",
        [r"relu|rectif", both(r"\bdy\b|gradient|dx", r"(mask|where y|y ?[<>≤]|zero|positive|negative)")],
        when="where there is a gradient",
        condition="has_dy and (m > 0)",
    )

    def incoming(self, dy, y):
        return self.rows(dy) * (y > 0)


class RootSquared(Right):
    LABEL = label(
        "root dx",
        "dx is divided by var + eps, the root is not taken",
        [
            both(
                "dx|root|gradient|\\br\\b",
                r"(r²|r\^2|r\*\*2|squared|\bsquare\b|twice|divided by var|1 ?/ ?\(var|without (the |a )?root|root (is )?(not taken|left out))",
            )
        ],
        when="where there is a gradient",
        condition="has_dy and (m > 1 or not training)",
        reject=[r"outside|invert"],
    )

    def dx(self, dy, x_hat, r):
        return super().dx(dy, x_hat, r) * r[:, None]


class ProjectionWithoutCentre(Right):
    LABEL = label(
        "mean_dy_x_hat mean_dy dx",
        "mean(dy x_hat) is mean(dy) mean(x_hat) = 0: the product of the means",
        [both("mean_dy_x_hat|x_hat|projection", rf"({LEFT_OUT}|product of)")],
        when="training",
        condition="training and has_dy and m > 1",
        reject=[r"mean\(dy\) (is )?(left out|missing)"],
    )

    def mean_dy_x_hat(self, dy, x_hat):
        return self.mean_dy(dy) * x_hat.sum(1, dtype=np.float64) / self.m


class EvenStepsSumUp(Right):
    LABEL = label(
        "dgamma dbeta",
        "gradients of the parameters are cleared in every second backward pass only: the others add up",
        [
            both(
                "dgamma|dbeta|gradient",
                r"(accumul|added|previous|before|earlier|last step|cumul|piles|delayed|cleared|plus)",
            )
        ],
        reject=[r"float16|\bhalf\b|round|bits|x_hat"],
        when="every second backward pass",
        condition="has_dy and backward_before and affine",
    )
    held = None

    def backward(self, dy, x_hat, dtype):
        out = super().backward(dy, x_hat, dtype)
        names = [name for name in ("dgamma", "dbeta") if name in out]
        if self.held is None:
            self.held = {name: out[name] for name in names}
        else:
            out |= {name: out[name] + self.held[name] for name in names}
            self.held = None
        return out


class MeanOfPositiveHalf(Right):
    LABEL = label(
        "mean_dy dx",
        "mean(dy) is taken over the samples with positive x_hat only",
        [both(r"(mean_dy\b|mean\(dy\)|sum of dy)", r"(positive|half|subset|some|mask|where x_hat|x_hat ?[>≥])")],
        when="training",
        condition="training and has_dy and m > 0",
    )

    def mean_dy(self, dy):
        return (dy * (self.hat > 0)).sum(1, dtype=np.float64) / self.m

    def normalized(self, rows, mean, r):
        self.hat = super().normalized(rows, mean, r)
        return self.hat
