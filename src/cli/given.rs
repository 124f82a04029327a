//! `--given`: a JSON file with the records that reads find.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::rehearsal::Records;
use crate::value::Value;

/// The records of a file, in its order: connection and object -> records.
pub(super) fn given(path: &Path) -> anyhow::Result<Records> {
    let name = path.display();
    let text = std::fs::read(path).with_context(|| format!("{name} could not be read"))?;
    let given = Value::from_json(&text).with_context(|| format!("{name} is not JSON"))?;
    let Some(objects) = given.as_map() else {
        bail!("{name} is not a map: connection and object -> records")
    };
    let mut all = Records::new();
    for (object, records) in objects {
        let (Some((connection, short)), Some(records)) = (object.split_once('.'), records.as_list()) else {
            bail!("{name}: `{object}` must be <connection>.<object> with a list of records");
        };
        let of = all.entry((connection.into(), short.into())).or_default();
        for record in records {
            let record =
                record.as_map().with_context(|| format!("{name}: a record of {object} is not a map"))?;
            // Their own ids are in them; here they are only told apart.
            of.insert(Arc::from(of.len().to_string()), record.clone());
        }
    }
    Ok(all)
}
