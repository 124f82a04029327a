//! Products and prices.

use serde_json::{Value as Json, json};

use super::error::{Answer, ApiError};
use super::list;
use super::params::{Params, Takes};
use super::state::{State, int, text};

const PRODUCT: Takes = Takes {
    fields: &[
        "name",
        "active",
        "description",
        "metadata",
        "images",
        "unit_label",
        "url",
        "statement_descriptor",
    ],
    own: &["id", "default_price"],
};

const PRICE: Takes = Takes {
    fields: &[
        "active",
        "currency",
        "nickname",
        "metadata",
        "lookup_key",
        "unit_amount",
        "unit_amount_decimal",
        "billing_scheme",
        "tiers_mode",
        "tax_behavior",
        "transform_quantity",
    ],
    own: &[
        "product",
        "product_data.name",
        "product_data.metadata.*",
        "recurring.interval",
        "recurring.interval_count",
        "recurring.usage_type",
        "recurring.meter",
        "recurring.trial_period_days",
        "tiers[].up_to",
        "tiers[].unit_amount",
        "tiers[].unit_amount_decimal",
        "tiers[].flat_amount",
        "tiers[].flat_amount_decimal",
        "transfer_lookup_key",
    ],
};

/// Amount, currency and interval of a price never change.
const PRICE_UPDATE: Takes = Takes {
    fields: &["active", "nickname", "metadata", "lookup_key", "tax_behavior"],
    own: &["transfer_lookup_key"],
};

pub(super) fn products(state: &State, params: &Params) -> Answer {
    let (active, ids) = (params.bool("active")?, params.texts("ids"));
    list::page(state, "product", "/v1/products", params, &["active", "ids[]"], |product| {
        active.is_none_or(|active| product["active"] == active)
            && (ids.is_empty() || ids.contains(&text(product, "id")))
    })
}

pub(super) fn create_product(state: &mut State, params: &Params) -> Answer {
    params.check(PRODUCT)?;
    params.required("name")?;
    let mut product = state.blank("product", "prod");
    product["active"] = json!(true);
    product["type"] = json!("service");
    product["updated"] = json!(state.now());
    if let Some(id) = params.text("id") {
        if state.find("product", id).is_some() {
            return Err(
                ApiError::invalid(format!("Product already exists: {id}")).code("resource_already_exists")
            );
        }
        product["id"] = json!(id);
    }
    params.lay_over(&mut product, "product", PRODUCT)?;
    state.create("product", product)
}

pub(super) fn update_product(state: &mut State, id: &str, params: &Params) -> Answer {
    params.check(Takes { own: &["default_price"], ..PRODUCT })?;
    let mut product = state.get("product", id)?;
    params.lay_over(&mut product, "product", PRODUCT)?;
    if let Some(price) = params.text("default_price") {
        state.referred("price", price, "default_price")?;
        product["default_price"] = json!(price);
    }
    product["updated"] = json!(state.now());
    Ok(state.replace("product", product, Some("product.updated")))
}

pub(super) fn delete_product(state: &mut State, id: &str) -> Answer {
    if state.all("price").any(|price| price["product"] == id) {
        let message = "This product cannot be deleted because it has one or more user-created prices.";
        return Err(ApiError::invalid(message));
    }
    state.delete("product", id)
}

pub(super) fn prices(state: &State, params: &Params) -> Answer {
    let (active, product) = (params.bool("active")?, params.text("product"));
    let (keys, kind) = (params.texts("lookup_keys"), params.text("type"));
    let filters = &["active", "product", "lookup_keys[]", "currency", "type"];
    list::page(state, "price", "/v1/prices", params, filters, |price| {
        active.is_none_or(|active| price["active"] == active)
            && product.is_none_or(|product| price["product"] == product)
            && kind.is_none_or(|kind| price["type"] == kind)
            && (keys.is_empty() || keys.contains(&text(price, "lookup_key")))
    })
}

pub(super) fn create_price(state: &mut State, params: &Params) -> Answer {
    params.check(PRICE)?;
    params.required("currency")?;
    let product = product_of(state, params)?;
    let mut price = state.blank("price", "price");
    price["active"] = json!(true);
    price["product"] = json!(product);
    price["billing_scheme"] = json!("per_unit");
    price["tax_behavior"] = json!("unspecified");
    params.lay_over(&mut price, "price", PRICE)?;
    price["currency"] = json!(text(&price, "currency").to_lowercase());
    price["recurring"] = recurring(params)?;
    price["type"] = json!(if price["recurring"].is_null() { "one_time" } else { "recurring" });
    amounts(params, &mut price)?;
    take_lookup_key(state, params, &price)?;
    state.create("price", price)
}

/// What an item may say of a price that is made for it.
const INLINE: Takes = Takes {
    fields: &["currency", "unit_amount", "unit_amount_decimal", "tax_behavior"],
    own: &["product", "recurring.interval", "recurring.interval_count"],
};

/// A price that is made in place, for one item. It is not active, so that nobody else uses it.
pub(super) fn inline_price(state: &mut State, params: &Params) -> Answer {
    params.check(INLINE)?;
    params.required("product")?;
    if !params.has("recurring") {
        return Err(ApiError::required("recurring"));
    }
    let mut price = create_price(state, params)?;
    price["active"] = json!(false);
    Ok(state.replace("price", price, None))
}

fn product_of(state: &mut State, params: &Params) -> Result<String, ApiError> {
    if params.has("product_data") {
        let product = create_product(state, &params.below("product_data"))?;
        return Ok(text(&product, "id"));
    }
    let id = params.required("product")?;
    Ok(text(&state.referred("product", id, "product")?, "id"))
}

fn recurring(params: &Params) -> Result<Json, ApiError> {
    if !params.has("recurring") {
        return Ok(Json::Null);
    }
    let given = params.below("recurring");
    given.text("interval").ok_or_else(|| ApiError::required("recurring[interval]"))?;
    Ok(json!({
        "interval": given.word("interval", &["day", "month", "week", "year"], "month")?,
        "interval_count": given.int("interval_count")?.unwrap_or(1),
        "meter": given.text("meter"),
        "trial_period_days": given.int("trial_period_days")?,
        "usage_type": given.word("usage_type", &["licensed", "metered"], "licensed")?,
    }))
}

/// One amount in both spellings, or tiers, which are shown only when expanded.
fn amounts(params: &Params, price: &mut Json) -> Result<(), ApiError> {
    if price["billing_scheme"] == "tiered" {
        price["unit_amount"] = Json::Null;
        price["unit_amount_decimal"] = Json::Null;
        let tiers: Result<Vec<Json>, ApiError> = params.rows("tiers").iter().map(tier).collect();
        price["tiers"] = json!(tiers?);
        return Ok(());
    }
    match (params.int("unit_amount")?, params.text("unit_amount_decimal")) {
        (Some(amount), None) => price["unit_amount_decimal"] = json!(amount.to_string()),
        (None, Some(decimal)) => price["unit_amount"] = json!(decimal.parse::<i64>().ok()),
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(
                "You may only specify one of these parameters: unit_amount, unit_amount_decimal.",
            ));
        }
        (None, None) => return Err(ApiError::required("unit_amount")),
    }
    Ok(())
}

fn tier(given: &Params) -> Result<Json, ApiError> {
    let amount = |name: &str| -> Result<(Json, Json), ApiError> {
        let int = given.int(name)?;
        let decimal = given.text(&format!("{name}_decimal")).map(str::to_owned);
        let decimal = decimal.or_else(|| int.map(|int| int.to_string()));
        Ok((json!(int), json!(decimal)))
    };
    let (unit, unit_decimal) = amount("unit_amount")?;
    let (flat, flat_decimal) = amount("flat_amount")?;
    let up_to = if given.text("up_to") == Some("inf") { None } else { given.int("up_to")? };
    Ok(json!({"up_to": up_to, "unit_amount": unit, "unit_amount_decimal": unit_decimal,
              "flat_amount": flat, "flat_amount_decimal": flat_decimal}))
}

pub(super) fn update_price(state: &mut State, id: &str, params: &Params) -> Answer {
    params.check(PRICE_UPDATE)?;
    let mut price = state.get("price", id)?;
    params.lay_over(&mut price, "price", PRICE_UPDATE)?;
    take_lookup_key(state, params, &price)?;
    Ok(state.replace("price", price, Some("price.updated")))
}

/// A look-up key belongs to one price; it moves only when asked to.
fn take_lookup_key(state: &mut State, params: &Params, price: &Json) -> Result<(), ApiError> {
    let Some(key) = params.text("lookup_key") else { return Ok(()) };
    let holder =
        state.all("price").find(|other| other["lookup_key"] == key && other["id"] != price["id"]).cloned();
    let Some(mut holder) = holder else { return Ok(()) };
    if params.bool("transfer_lookup_key")? != Some(true) {
        let message = format!("A price (`{}`) already uses that lookup key.", text(&holder, "id"));
        return Err(ApiError::invalid(message).param("lookup_key"));
    }
    holder["lookup_key"] = Json::Null;
    state.replace("price", holder, Some("price.updated"));
    Ok(())
}

/// What a quantity of a price costs, in minor units.
pub(super) fn cost(price: &Json, quantity: i64) -> i64 {
    let Some(tiers) = price["tiers"].as_array() else { return int(price, "unit_amount") * quantity };
    let tier_of = |tier: &Json, units: i64| units * int(tier, "unit_amount") + int(tier, "flat_amount");
    let mut below = 0;
    let mut sum = 0;
    for tier in tiers {
        let top = tier["up_to"].as_i64().unwrap_or(i64::MAX);
        if price["tiers_mode"] == "volume" {
            if quantity <= top {
                return tier_of(tier, quantity);
            }
            continue;
        }
        let units = quantity.min(top) - below;
        if units > 0 {
            sum += tier_of(tier, units);
        }
        below = top;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_cost_what_stripe_says() {
        let tiers = json!([
            {"up_to": 10, "unit_amount": 500, "flat_amount": 1000},
            {"up_to": null, "unit_amount": 300, "flat_amount": null},
        ]);
        let price = |mode: &str| json!({"tiers_mode": mode, "tiers": tiers});
        assert_eq!(cost(&price("graduated"), 12), 10 * 500 + 1000 + 2 * 300);
        assert_eq!(cost(&price("volume"), 12), 12 * 300);
        assert_eq!(cost(&price("volume"), 10), 10 * 500 + 1000);
        assert_eq!(cost(&json!({"unit_amount": 1500}), 3), 4500);
    }
}
