//! The mail server: a listener for SMTP, and a page for `/_sandbox/`.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::account::{Account, Mail, PASSWORD, Refusal, TOKEN, USER};
use super::session::{Encryption, serve};
use crate::clock::SharedClock;
use crate::sandbox::calls::Counts;
use crate::sandbox::server::{Bound, Server, Simulator};
use crate::sandbox::world::SandboxError;

/// What a mail server is started with.
#[derive(Debug, Clone, Default)]
pub struct SmtpOptions {
    /// The port of SMTP; 0 takes a free one.
    pub port: u16,
    /// The port of the page; 0 takes a free one.
    pub page_port: u16,
    /// Encryption, which is then a must; none when left out.
    pub tls: Option<SmtpTls>,
}

/// How connections are encrypted.
#[derive(Clone)]
pub struct SmtpTls {
    /// The certificate, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: String,
    /// True from the start, false by STARTTLS.
    pub implicit: bool,
}

/// Not the key.
impl fmt::Debug for SmtpTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpTls {{ implicit: {} }}", self.implicit)
    }
}

/// The mail server.
#[derive(Debug)]
pub struct Smtp {
    address: SocketAddr,
    account: Arc<Account>,
    page: Server,
    task: JoinHandle<()>,
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Smtp {
    /// Starts a mail server on loopback.
    pub async fn start(options: SmtpOptions, clock: SharedClock) -> Result<Self, SandboxError> {
        let failed = |port| move |source| SandboxError::Listen { simulator: "mail", port, source };
        let encryption = encryption(options.tls.as_ref()).map_err(failed(options.port))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await;
        let listener = listener.map_err(failed(options.port))?;
        let address = listener.local_addr().map_err(failed(options.port))?;
        let account = Arc::new(Account::default());
        let bound = Bound::to(options.page_port).await.map_err(failed(options.page_port))?;
        let page = bound.serve(Arc::clone(&account) as Arc<dyn Simulator>, clock);
        let task = tokio::spawn(listen(listener, encryption, Arc::clone(&account)));
        Ok(Self { address, account, page, task })
    }

    /// The host of SMTP.
    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }

    /// The port of SMTP.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The address of the page, which answers under `/_sandbox/`.
    pub fn url(&self) -> String {
        self.page.url()
    }

    /// The name to log in with.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// Its password.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// The access token for XOAUTH2, of any address.
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// The mails so far, newest last.
    pub fn mails(&self) -> Vec<Mail> {
        self.account.mails()
    }

    /// What the server says next instead of taking what it is given.
    pub fn refuse(&self, refusal: Refusal) {
        self.account.refuse(refusal);
    }

    /// How many mails it took.
    pub fn counts(&self) -> Counts {
        self.account.counts()
    }
}

async fn listen(listener: TcpListener, encryption: Encryption, account: Arc<Account>) {
    // Dropped with this task, and the connections with it.
    let mut sessions = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while sessions.try_join_next().is_some() {}
        sessions.spawn(serve(stream, encryption.clone(), Arc::clone(&account)));
    }
}

fn encryption(tls: Option<&SmtpTls>) -> io::Result<Encryption> {
    let Some(tls) = tls else { return Ok(Encryption::None) };
    let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidInput, error);
    let chain = CertificateDer::pem_slice_iter(tls.certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| invalid(error.to_string()))?;
    let key =
        PrivateKeyDer::from_pem_slice(tls.key.as_bytes()).map_err(|error| invalid(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| invalid(error.to_string()))?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Ok(if tls.implicit { Encryption::Implicit(acceptor) } else { Encryption::StartTls(acceptor) })
}
