//! Money between Stripe's minor units and exact decimals.
//!
//! Stripe's table differs from ISO 4217 (ISK and UGX are sent with two decimals, MGA with none), so the decimals of a
//! currency are written down here, and a code that is not in the table is an error, never a guess.

use rust_decimal::Decimal;

use super::Unfit;
use crate::expr::fault::shown;
use crate::nearest::nearest;
use crate::value::Value;

/// Amounts are whole units: 500 JPY is `500`.
const ZERO_DECIMALS: &str = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf";

/// Amounts are thousandths: 5.120 KWD is `5120`.
const THREE_DECIMALS: &str = "bhd jod kwd omr tnd";

/// Amounts are hundredths, though the currency has no smaller unit: 5 UGX is `500`, and `550` is refused.
const TWO_DECIMALS_WHOLE: &str = "isk ugx";

/// Amounts are hundredths: the other codes of ISO 4217 that Stripe knows.
const TWO_DECIMALS: &str = "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd btn bwp byn bzd \
     cad cdf chf cny cop crc cup cve czk dkk dop dzd egp ern etb eur fjd fkp gbp gel ghs gip gmd gtq gyd hkd hnl htg huf \
     idr ils inr iqd irr jmd kes kgs khr kpw kyd kzt lak lbp lkr lrd lsl lyd mad mdl mkd mmk mnt mop mru mur mvr mwk mxn \
     myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sdg sek sgd shp sle sll sos srd \
     ssp std stn svc syp szl thb tjs tmt top try ttd twd tzs uah usd uyu uzs ved ves wst xcd xcg yer zar zmw zwg zwl";

/// How the amounts of a currency are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Currency {
    /// Digits after the point.
    pub(crate) decimals: u32,
    /// Amounts must be whole units all the same.
    whole: bool,
}

/// What is known of a currency by its three-letter code, in either case.
pub(crate) fn currency(code: &str) -> Result<Currency, Unfit> {
    let lower = code.to_ascii_lowercase();
    let has = |list: &str| list.split(' ').any(|known| known == lower);
    let (decimals, whole) = match () {
        () if has(TWO_DECIMALS) => (2, false),
        () if has(ZERO_DECIMALS) => (0, false),
        () if has(THREE_DECIMALS) => (3, false),
        () if has(TWO_DECIMALS_WHOLE) => (2, true),
        () => {
            let near =
                nearest(&lower, codes()).map_or(String::new(), |near| format!(", did you mean `{near}`?"));
            return Err(Unfit(format!("`{}` is not a currency{near}", shown(code))));
        }
    };
    Ok(Currency { decimals, whole })
}

/// All codes of the table.
pub(crate) fn codes() -> impl Iterator<Item = &'static str> {
    [ZERO_DECIMALS, THREE_DECIMALS, TWO_DECIMALS_WHOLE, TWO_DECIMALS]
        .into_iter()
        .flat_map(|list| list.split(' '))
}

/// An amount in minor units as an exact decimal with the currency's digits: 4500 gbp is `45.00`. Fractions of a
/// minor unit (`unit_amount_decimal`) keep their digits.
pub(super) fn money(amount: &Value, code: &Value) -> Result<Value, Unfit> {
    if amount.is_nothing() {
        return Ok(Value::Null);
    }
    let currency = of_value(code)?;
    let minor = number(amount, "money")?;
    let scale = minor.scale() + currency.decimals;
    Decimal::try_from_i128_with_scale(minor.mantissa(), scale)
        .map(|major| Value::Decimal(trimmed(major, currency.decimals)))
        .map_err(|_| Unfit(format!("money: {amount} is too large")))
}

/// An exact decimal in minor units: 45.00 gbp is `4500`. What does not fit the currency's digits is an error.
pub(super) fn minor(amount: &Value, code: &Value) -> Result<Value, Unfit> {
    if amount.is_nothing() {
        return Ok(Value::Null);
    }
    let currency = of_value(code)?;
    let major = number(amount, "minor")?;
    let digits = if currency.whole { 0 } else { currency.decimals };
    if major.normalize().scale() > digits {
        let code = code.to_text().unwrap_or_default();
        return Err(Unfit(format!("minor: {amount} {code} has more than {digits} digits after the point")));
    }
    let units = major.checked_mul(Decimal::from(10_i64.pow(currency.decimals)));
    units
        .and_then(|units| i64::try_from(units).ok())
        .map(Value::Int)
        .ok_or_else(|| Unfit(format!("minor: {amount} is too large")))
}

/// Drops zeros beyond the currency's digits: `12.500` of 1250.0 cents is `12.50`.
fn trimmed(amount: Decimal, decimals: u32) -> Decimal {
    let mut shortest = amount.normalize();
    if shortest.scale() < decimals {
        shortest.rescale(decimals);
    }
    shortest
}

fn of_value(code: &Value) -> Result<Currency, Unfit> {
    match code {
        Value::Text(code) => currency(code),
        Value::Null => Err(Unfit("the currency is nothing".to_owned())),
        other => Err(Unfit(format!("a currency is three letters, not {}", other.kind()))),
    }
}

/// A number, also one written as text: Stripe's `unit_amount_decimal` and many a CRM field are.
pub(super) fn number(value: &Value, who: &str) -> Result<Decimal, Unfit> {
    let number = match value {
        Value::Text(text) => Value::number(text.trim()).as_decimal(),
        other => other.as_decimal(),
    };
    number.ok_or_else(|| match value {
        Value::Text(text) => Unfit(format!("{who}: `{}` is not a number", shown(text))),
        other => Unfit(format!("{who} needs a number, not {}", other.kind())),
    })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn in_major(amount: impl Into<Value>, code: &str) -> Result<String, String> {
        money(&amount.into(), &code.into()).map(|v| v.to_string()).map_err(|e| e.0)
    }

    fn in_minor(amount: &str, code: &str) -> Result<String, String> {
        minor(&Value::number(amount), &code.into()).map(|v| v.to_string()).map_err(|e| e.0)
    }

    #[test]
    fn minor_units_become_decimals_by_stripes_table() {
        let cases = [
            ("4500", "gbp", "45.00"),
            ("4500", "GBP", "45.00"),
            ("1", "usd", "0.01"),
            ("-250", "eur", "-2.50"),
            ("500", "jpy", "500"),
            ("5120", "kwd", "5.120"),
            ("500", "ugx", "5.00"),
            ("500", "isk", "5.00"),
            ("500", "mga", "500"),
            ("0", "usd", "0.00"),
            ("1250.5", "usd", "12.505"),
            ("1250.000", "usd", "12.50"),
        ];
        for (amount, code, expected) in cases {
            assert_eq!(in_major(Value::number(amount), code), Ok(expected.to_owned()), "{amount} {code}");
        }
        assert_eq!(in_major("1250.5", "usd"), Ok("12.505".to_owned()), "as text");
    }

    #[test]
    fn decimals_become_minor_units_when_they_fit() {
        let cases = [
            ("45.00", "gbp", Ok("4500")),
            ("45", "gbp", Ok("4500")),
            ("45.000", "gbp", Ok("4500")),
            ("5.124", "kwd", Ok("5124")),
            ("500", "jpy", Ok("500")),
            ("5", "ugx", Ok("500")),
            ("45.001", "gbp", Err("minor: 45.001 gbp has more than 2 digits after the point")),
            ("5.50", "isk", Err("minor: 5.50 isk has more than 0 digits after the point")),
            ("0.5", "jpy", Err("minor: 0.5 jpy has more than 0 digits after the point")),
            ("99999999999999999999", "usd", Err("minor: 99999999999999999999 is too large")),
        ];
        for (amount, code, expected) in cases {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(in_minor(amount, code), expected, "{amount} {code}");
        }
    }

    #[test]
    fn what_is_no_currency_or_number_is_said() {
        assert_eq!(in_major(1, "gpb"), Err("`gpb` is not a currency, did you mean `gbp`?".to_owned()));
        assert_eq!(in_major("abc", "gbp"), Err("money: `abc` is not a number".to_owned()));
        assert_eq!(in_major(true, "gbp"), Err("money needs a number, not a boolean".to_owned()));
        assert_eq!(
            money(&1.into(), &Value::Null).map_err(|e| e.0),
            Err("the currency is nothing".to_owned())
        );
        assert_eq!(money(&Value::Null, &"gbp".into()).ok(), Some(Value::Null), "money of nothing is nothing");
        assert_eq!(minor(&Value::Null, &"gbp".into()).ok(), Some(Value::Null));
    }

    #[test]
    fn no_code_stands_twice() {
        let mut all = codes().collect::<Vec<_>>();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(all.iter().all(|code| code.len() == 3));
    }

    proptest! {
        #[test]
        fn money_and_minor_are_each_others_inverse(amount in -999_999_999_999_i64..999_999_999_999, index in 0_usize..200) {
            let all = codes().collect::<Vec<_>>();
            let code = all[index % all.len()];
            // A currency without a smaller unit has amounts of whole units only.
            let amount = if currency(code).unwrap().whole { amount / 100 * 100 } else { amount };
            let major = money(&amount.into(), &code.into()).unwrap();
            prop_assert_eq!(minor(&major, &code.into()).unwrap(), Value::Int(amount));
        }
    }
}
