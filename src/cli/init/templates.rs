//! The files of a client to start from. In them, `__CLIENT__` stands for the client's name and `__PREFIX__` for the
//! beginning of its environment variables.

/// A client to start from.
#[derive(Debug)]
pub(super) struct Template {
    /// The CRM it is for, by its connector.
    pub(super) crm: &'static str,
    /// Name and text of each file.
    pub(super) files: &'static [(&'static str, &'static str)],
}

macro_rules! templates {
    ($($crm:literal),+ $(,)?) => {
        /// One for each CRM.
        pub(super) const TEMPLATES: &[Template] = &[$(Template {
            crm: $crm,
            files: &[
                ("client.yaml", include_str!(concat!($crm, "/client.yaml"))),
                ("payment-failed.yaml", include_str!(concat!($crm, "/payment-failed.yaml"))),
                ("payment-failed.test.yaml", include_str!(concat!($crm, "/payment-failed.test.yaml"))),
            ],
        }),+];
    };
}

templates!("activecampaign", "bitrix24", "http", "hubspot", "salesforce");
