//! Arithmetic on Kubernetes quantities (`500m`, `256Mi`, `1e3`), exact down to 10⁻⁹.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

const NANOS_DIGITS: i32 = 9;
const NANO: u128 = 1_000_000_000;
const MEBI: u128 = 1 << 20;

/// The text is not a quantity, or too large for one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a quantity such as 500m, 2 or 256Mi")]
pub struct InvalidQuantity;

/// The amount in billionths of the unit, rounded up.
pub fn nanos(quantity: &Quantity) -> Result<u128, InvalidQuantity> {
    let text = quantity.0.strip_prefix('+').unwrap_or(&quantity.0);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(InvalidQuantity);
    }
    let digits: u128 = format!("{whole}{fraction}")
        .parse()
        .map_err(|_| InvalidQuantity)?;
    let (binary, decimal) = unit(suffix)?;
    let places = i32::try_from(fraction.len()).map_err(|_| InvalidQuantity)?;
    let value = digits
        .checked_mul(1_u128 << binary)
        .ok_or(InvalidQuantity)?;
    scale(value, decimal + NANOS_DIGITS - places)
}

/// The amount in whole units, rounded up.
pub fn bytes(quantity: &Quantity) -> Result<u128, InvalidQuantity> {
    Ok(nanos(quantity)?.div_ceil(NANO))
}

/// Powers of two and of ten that a suffix stands for.
fn unit(suffix: &str) -> Result<(u32, i32), InvalidQuantity> {
    let decimal = match suffix {
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "" => 0,
        "k" => 3,
        "M" => 6,
        "G" => 9,
        "T" => 12,
        "P" => 15,
        "E" => 18,
        "Ki" => return Ok((10, 0)),
        "Mi" => return Ok((20, 0)),
        "Gi" => return Ok((30, 0)),
        "Ti" => return Ok((40, 0)),
        "Pi" => return Ok((50, 0)),
        "Ei" => return Ok((60, 0)),
        exponent => exponent
            .strip_prefix(['e', 'E'])
            .filter(|power| power.len() <= 3)
            .and_then(|power| power.parse().ok())
            .ok_or(InvalidQuantity)?,
    };
    Ok((0, decimal))
}

fn scale(value: u128, power: i32) -> Result<u128, InvalidQuantity> {
    let factor = 10_u128.checked_pow(power.unsigned_abs());
    match (factor, power >= 0) {
        (Some(factor), true) => value.checked_mul(factor).ok_or(InvalidQuantity),
        (None, true) if value > 0 => Err(InvalidQuantity),
        (Some(factor), false) => Ok(value.div_ceil(factor)),
        (None, _) => Ok(u128::from(value > 0)),
    }
}

/// An amount in billionths, in the shortest usual form that is not less.
pub fn display(nanos: u128) -> String {
    let whole = nanos.div_ceil(NANO);
    if !nanos.is_multiple_of(NANO) {
        format!("{}m", nanos.div_ceil(NANO / 1000))
    } else if whole > 0 && whole.is_multiple_of(MEBI) {
        format!("{}Mi", whole / MEBI)
    } else {
        whole.to_string()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
    use rstest::rstest;

    use super::{display, nanos};

    #[rstest]
    #[case("1", 1_000_000_000)]
    #[case("+1", 1_000_000_000)]
    #[case("500m", 500_000_000)]
    #[case("1.5", 1_500_000_000)]
    #[case("1.", 1_000_000_000)]
    #[case(".5", 500_000_000)]
    #[case("1k", 1_000_000_000_000)]
    #[case("1Ki", 1_024_000_000_000)]
    #[case("1.5Gi", 1_610_612_736_000_000_000)]
    #[case("1e3", 1_000_000_000_000)]
    #[case("1E-3", 1_000_000)]
    #[case("1n", 1)]
    #[case("0.1n", 1)]
    #[case("1e-99", 1)]
    #[case("0", 0)]
    #[case("0e99", 0)]
    fn reads(#[case] text: &str, #[case] expected: u128) {
        assert_eq!(nanos(&Quantity(text.to_owned())), Ok(expected));
    }

    #[rstest]
    #[case("")]
    #[case(".")]
    #[case("1.2.3")]
    #[case("-1")]
    #[case("1 Gi")]
    #[case("1gi")]
    #[case("1mi")]
    #[case("1e")]
    #[case("1e1000")]
    #[case("1e99")]
    #[case("99999999999999999999999999999999Ei")]
    #[case("one")]
    #[case("١")]
    fn refuses(#[case] text: &str) {
        assert!(nanos(&Quantity(text.to_owned())).is_err());
    }

    #[rstest]
    #[case("750m", "750m")]
    #[case("1.0001", "1001m")]
    #[case("2", "2")]
    #[case("1.5Gi", "1536Mi")]
    #[case("0", "0")]
    fn shows(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(
            display(nanos(&Quantity(text.to_owned())).unwrap()),
            expected
        );
    }
}
