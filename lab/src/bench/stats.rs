//! Figures with confidence intervals.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number of bootstrap resamples: the interval's ends are then accurate to a few per cent of its width.
const RESAMPLES: usize = 1000;

/// A figure with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Estimate {
    /// Applies `figure` to the medians of several series of samples.
    ///
    /// The interval is a bootstrap's (percentile method; Efron and Tibshirani, An Introduction to the Bootstrap, chapter
    /// 13): the rounds are resampled with replacement, the same ones for all series, since a disturbance affects the whole
    /// round. Series are cut to the shortest. One round says nothing about precision: the interval then extends by the figure's own size
    /// to either side. `None` without a sample, or if `figure` is not finite.
    pub fn from_medians(series: &[&[f64]], figure: impl Fn(&[f64]) -> f64) -> Option<Self> {
        let rounds = series.iter().map(|samples| samples.len()).min()?;
        if rounds == 0 {
            return None;
        }
        let over = |pick: &[usize]| -> f64 {
            let medians: Vec<f64> =
                series.iter().map(|samples| median(pick.iter().map(|round| samples[*round]).collect())).collect();
            figure(&medians)
        };
        let value = over(&(0..rounds).collect::<Vec<_>>());
        if rounds == 1 {
            return value.is_finite().then(|| Self::from_one_round(value));
        }
        let mut random = random();
        let drawn =
            (0..RESAMPLES).map(|_| over(&(0..rounds).map(|_| random.random_range(0..rounds)).collect::<Vec<_>>()));
        Self::within(value, drawn.collect(), 0.95)
    }

    /// A figure that was measured once.
    fn from_one_round(value: f64) -> Self {
        Self { value, low: value - value.abs(), high: value + value.abs() }
    }

    /// Whether its precision is unknown.
    pub fn is_from_one_round(&self) -> bool {
        *self == Self::from_one_round(self.value)
    }

    /// The ratio of the medians of `second` and `first`, which share no rounds: each is resampled
    /// separately. `confidence` is the interval's, such as 0.95. `None` without samples, or if it is NaN.
    pub fn ratio_of_independent(first: &[f64], second: &[f64], confidence: f64) -> Option<Self> {
        if first.is_empty() || second.is_empty() {
            return None;
        }
        let mut random = random();
        let mut redrawn =
            |samples: &[f64]| median(samples.iter().map(|_| samples[random.random_range(0..samples.len())]).collect());
        let drawn = (0..RESAMPLES).map(|_| redrawn(second) / redrawn(first)).collect();
        Self::within(median(second.to_vec()) / median(first.to_vec()), drawn, confidence)
    }

    /// A figure, and the middle of its resamples.
    fn within(value: f64, mut drawn: Vec<f64>, confidence: f64) -> Option<Self> {
        drawn.retain(|figure| figure.is_finite());
        drawn.sort_by(f64::total_cmp);
        let at = |share: f64| drawn.get(((drawn.len() as f64 - 1.0) * share).round() as usize).copied();
        let out = (1.0 - confidence) / 2.0;
        value.is_finite().then_some(Self { value, low: at(out)?.min(value), high: at(1.0 - out)?.max(value) })
    }

    /// Half the interval's width, as a share of the figure.
    pub fn spread(&self) -> f64 {
        (self.high - self.low) / 2.0 / self.value.abs().max(f64::MIN_POSITIVE)
    }

    /// Whether the interval contains a value.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// The same samples give the same interval.
fn random() -> StdRng {
    StdRng::seed_from_u64(0x5eed)
}

/// The middle sample, or the mean of the two in the middle; NaN without samples.
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    match samples.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => samples[middle],
        _ => f64::midpoint(samples[middle - 1], samples[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_not_moved_by_one_wild_sample() {
        assert_eq!(median(vec![3.0, 1.0, 1000.0]), 3.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn samples_that_agree_give_a_narrow_interval_and_samples_that_differ_a_wide_one() {
        let sure = Estimate::from_medians(&[&[10.0; 7]], |medians| medians[0]).unwrap();
        assert_eq!((sure.value, sure.low, sure.high), (10.0, 10.0, 10.0));
        let unsure = Estimate::from_medians(&[&[5.0, 10.0, 15.0, 8.0, 12.0]], |medians| medians[0]).unwrap();
        assert!(unsure.low < 10.0 && unsure.high > 10.0 && unsure.spread() > 0.2, "{unsure:?}");
    }

    #[test]
    fn a_ratio_is_surer_than_its_parts_where_a_slow_round_slows_both() {
        let one = [10.0, 13.0, 9.0, 20.0, 11.0];
        let two: Vec<f64> = one.iter().map(|sample| sample * 1.5).collect();
        let ratio = Estimate::from_medians(&[&one, &two], |medians| medians[1] / medians[0]).unwrap();
        assert!(ratio.contains(1.5) && ratio.spread() < 1e-9, "{ratio:?}");
    }

    #[test]
    fn one_round_is_not_sure_of_anything() {
        let once = Estimate::from_medians(&[&[10.0]], |medians| medians[0]).unwrap();
        assert_eq!(once, Estimate { value: 10.0, low: 0.0, high: 20.0 });
        assert!(once.spread() == 1.0 && once.is_from_one_round());
        assert!(!Estimate::from_medians(&[&[10.0, 11.0]], |medians| medians[0]).unwrap().is_from_one_round());
    }

    #[test]
    fn the_ratio_of_two_benches_knows_of_no_common_rounds() {
        let one = [10.0, 13.0, 9.0, 20.0, 11.0];
        let two: Vec<f64> = one.iter().map(|sample| sample * 1.5).collect();
        let ratio = Estimate::ratio_of_independent(&one, &two, 0.95).unwrap();
        assert_eq!(ratio.value, 1.5);
        assert!(ratio.spread() > 0.2, "a slow round of one does not affect the other: {ratio:?}");
        let surer = Estimate::ratio_of_independent(&one, &two, 0.5).unwrap();
        assert!(surer.spread() < ratio.spread(), "{surer:?} has less confidence than {ratio:?}");
    }

    #[test]
    fn nothing_measured_is_no_estimate() {
        assert_eq!(Estimate::ratio_of_independent(&[], &[1.0], 0.95), None);
        assert_eq!(Estimate::ratio_of_independent(&[0.0], &[1.0], 0.95), None);
        assert_eq!(Estimate::from_medians(&[&[], &[1.0]], |medians| medians[0]), None);
        assert_eq!(Estimate::from_medians(&[], |_| 1.0), None);
        assert_eq!(Estimate::from_medians(&[&[0.0]], |medians| 1.0 / medians[0]), None);
    }
}
