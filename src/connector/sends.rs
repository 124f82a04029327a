//! What an operation sends: a request, or a mail.

use reqwest::Url;

use super::compile::Compiler;
use super::failure::Failure;
use super::file::{Method, OperationFile, Transport};
use super::mail::Mail;
use super::request::{Defaults, Outgoing, Request};
use crate::diagnostic::Path;
use crate::expr::{Context, Names};
use crate::value::Value;

/// What an operation sends.
#[derive(Debug)]
pub(super) enum Sends {
    Request(Box<Request>),
    Mail(Box<Mail>),
}

impl Sends {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        file: &OperationFile,
        (transport, defaults): (Transport, &Defaults),
        names: &Names,
    ) -> Option<Self> {
        match (transport, &file.request, &file.mail) {
            (Transport::Http, Some(request), None) => {
                Request::compile(compiler, &at.key("request"), request, defaults, names)
                    .map(|request| Self::Request(Box::new(request)))
            }
            (Transport::Smtp, None, Some(mail)) => {
                Mail::compile(compiler, &at.key("mail"), mail, defaults, names)
                    .map(|mail| Self::Mail(Box::new(mail)))
            }
            (Transport::Http, _, Some(_)) => {
                compiler.fault(&at.key("mail"), "a mail needs `transport: smtp` at the top of the manifest");
                None
            }
            (Transport::Smtp, Some(_), _) => {
                compiler.fault(&at.key("request"), "over `transport: smtp` go mails: `mail` says which");
                None
            }
            (Transport::Http, None, None) => {
                compiler.fault(at, "the key `request` is missing");
                None
            }
            (Transport::Smtp, None, None) => {
                compiler.fault(at, "the key `mail` is missing");
                None
            }
        }
    }

    /// True for a request that reads.
    pub(super) fn reads(&self) -> bool {
        matches!(self, Self::Request(request) if request.method == Method::Get)
    }

    /// The method of a request.
    pub(super) fn method(&self) -> Option<Method> {
        match self {
            Self::Request(request) => Some(request.method),
            Self::Mail(_) => None,
        }
    }

    /// What is sent for one call, without what shows who sends it.
    pub(super) fn build(
        &self,
        base: &Url,
        defaults: &Defaults,
        context: &Context,
    ) -> Result<Outgoing, Failure> {
        match self {
            Self::Request(request) => request.build(base, defaults, context),
            Self::Mail(mail) => mail.build(base, context),
        }
    }

    /// What a request is made of, for a batch that wraps it.
    pub(super) fn parts(&self, context: &Context) -> Result<Value, Failure> {
        match self {
            Self::Request(request) => request.parts(context),
            Self::Mail(_) => Err(Failure::permanent("a mail goes alone")),
        }
    }

    /// The request for the page at `url`.
    pub(super) fn follow(
        &self,
        url: Url,
        defaults: &Defaults,
        context: &Context,
    ) -> Result<Outgoing, Failure> {
        match self {
            Self::Request(request) => request.follow(url, defaults, context),
            Self::Mail(_) => Err(Failure::permanent("mails have no pages")),
        }
    }
}
