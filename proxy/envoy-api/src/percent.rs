//! Shares of requests (`envoy.type.v3`).

use serde::{Deserialize, Serialize};

/// `envoy.config.core.v3.RuntimeFractionalPercent`, without a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeFractionalPercent {
    /// The share.
    pub default_value: FractionalPercent,
}

/// `envoy.type.v3.FractionalPercent`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FractionalPercent {
    /// How many.
    #[serde(default)]
    pub numerator: u32,
    /// Of how many.
    #[serde(default, skip_serializing_if = "Denominator::is_default")]
    pub denominator: Denominator,
}

/// `envoy.type.v3.FractionalPercent.DenominatorType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Denominator {
    /// 100.
    #[default]
    Hundred,
    /// 10,000.
    TenThousand,
    /// 1,000,000.
    Million,
}

impl Denominator {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl FractionalPercent {
    /// Of as many requests, it is how many.
    pub fn of(self) -> u32 {
        match self.denominator {
            Denominator::Hundred => 100,
            Denominator::TenThousand => 10_000,
            Denominator::Million => 1_000_000,
        }
    }

    /// The share in percent.
    pub fn percent(self) -> f64 {
        f64::from(self.numerator) * 100.0 / f64::from(self.of())
    }

    /// Whether all requests are among it.
    pub fn is_all(self) -> bool {
        self.numerator >= self.of()
    }

    /// Whether no request is among it.
    pub fn is_none(self) -> bool {
        self.numerator == 0
    }
}
