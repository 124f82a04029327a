//! One connection: commands in, codes out.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::account::{Account, Mail, PASSWORD, Stage, TOKEN, USER};

/// Larger mails are refused.
const MAIL_MAX: usize = 4 * 1024 * 1024;

/// A line of a command is at most so long.
const LINE_MAX: u64 = 4096;

/// How a connection becomes encrypted.
#[derive(Clone)]
pub(super) enum Encryption {
    None,
    StartTls(TlsAcceptor),
    Implicit(TlsAcceptor),
}

/// What ends the reading of commands.
enum Next {
    Over,
    Encrypt,
}

/// Serves one connection until it ends.
pub(super) async fn serve(
    stream: TcpStream,
    encryption: Encryption,
    account: Arc<Account>,
) -> io::Result<()> {
    match encryption {
        Encryption::None => Session::new(stream, &account, false, false).greeted().await.map(drop),
        Encryption::Implicit(acceptor) => {
            let stream = acceptor.accept(stream).await?;
            Session::new(stream, &account, false, true).greeted().await.map(drop)
        }
        Encryption::StartTls(acceptor) => {
            let mut session = Session::new(stream, &account, true, false);
            match session.greeted().await? {
                Next::Over => Ok(()),
                Next::Encrypt => {
                    let stream = acceptor.accept(session.stream.into_inner()).await?;
                    Session::new(stream, &account, false, true).commands().await.map(drop)
                }
            }
        }
    }
}

struct Session<'a, S> {
    stream: BufReader<S>,
    account: &'a Account,
    offers_starttls: bool,
    encrypted: bool,
    login: Option<String>,
    from: Option<String>,
    to: Vec<String>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Session<'a, S> {
    fn new(stream: S, account: &'a Account, offers_starttls: bool, encrypted: bool) -> Self {
        let stream = BufReader::new(stream);
        Self { stream, account, offers_starttls, encrypted, login: None, from: None, to: Vec::new() }
    }

    async fn greeted(&mut self) -> io::Result<Next> {
        if !self.goes_on(Stage::Connect).await? {
            return Ok(Next::Over);
        }
        self.say("220 sandbox.invalid ESMTP").await?;
        self.commands().await
    }

    async fn commands(&mut self) -> io::Result<Next> {
        while let Some(line) = self.line().await? {
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" | "HELO" => self.hello().await?,
                "STARTTLS" if self.offers_starttls => {
                    self.say("220 2.0.0 ready").await?;
                    return Ok(Next::Encrypt);
                }
                "AUTH" if self.offers_starttls => self.say("530 5.7.0 must issue STARTTLS first").await?,
                "AUTH" => {
                    if !self.auth(rest).await? {
                        return Ok(Next::Over);
                    }
                }
                "MAIL" if self.login.is_none() => self.say("530 5.7.0 authentication required").await?,
                "MAIL" => {
                    if !self.goes_on(Stage::Sender).await? {
                        continue;
                    }
                    self.from = Some(address(rest));
                    self.to.clear();
                    self.say("250 2.1.0 ok").await?;
                }
                "RCPT" if self.from.is_none() => self.say("503 5.5.1 MAIL first").await?,
                "RCPT" => {
                    if self.goes_on(Stage::Recipient).await? {
                        self.to.push(address(rest));
                        self.say("250 2.1.5 ok").await?;
                    }
                }
                "DATA" if self.to.is_empty() => self.say("503 5.5.1 RCPT first").await?,
                "DATA" => {
                    if !self.data().await? {
                        return Ok(Next::Over);
                    }
                }
                "RSET" => {
                    (self.from, self.to) = (None, Vec::new());
                    self.say("250 2.0.0 ok").await?;
                }
                "NOOP" => self.say("250 2.0.0 ok").await?,
                "QUIT" => {
                    self.say("221 2.0.0 bye").await?;
                    return Ok(Next::Over);
                }
                _ => self.say("502 5.5.1 not implemented").await?,
            }
        }
        Ok(Next::Over)
    }

    async fn hello(&mut self) -> io::Result<()> {
        self.say("250-sandbox.invalid").await?;
        if self.offers_starttls {
            return self.say("250 STARTTLS").await;
        }
        self.say("250-ENHANCEDSTATUSCODES").await?;
        self.say("250 AUTH PLAIN LOGIN XOAUTH2").await
    }

    /// A login. False when the connection is over.
    async fn auth(&mut self, rest: &str) -> io::Result<bool> {
        if !self.goes_on(Stage::Login).await? {
            return Ok(true);
        }
        let (mechanism, first) = rest.split_once(' ').unwrap_or((rest, ""));
        let login = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let given = if first.is_empty() { self.asked("").await? } else { decoded(first) };
                let mut parts = given.split('\0').skip(1);
                let pair = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                (pair == (USER, PASSWORD)).then(|| USER.to_owned())
            }
            "LOGIN" => {
                let (user, password) = (self.asked("Username:").await?, self.asked("Password:").await?);
                (user == USER && password == PASSWORD).then_some(user)
            }
            "XOAUTH2" => {
                let given = if first.is_empty() { self.asked("").await? } else { decoded(first) };
                let user = given.strip_prefix("user=").and_then(|rest| rest.split('\u{1}').next());
                let token = given.split("auth=Bearer ").nth(1).and_then(|rest| rest.split('\u{1}').next());
                user.filter(|_| token == Some(TOKEN)).map(str::to_owned)
            }
            _ => {
                self.say("504 5.5.4 no such mechanism").await?;
                return Ok(true);
            }
        };
        self.login = login;
        let said =
            if self.login.is_some() { "235 2.7.0 accepted" } else { "535 5.7.8 wrong user or password" };
        self.say(said).await?;
        Ok(true)
    }

    async fn asked(&mut self, challenge: &str) -> io::Result<String> {
        self.say(&format!("334 {}", STANDARD.encode(challenge))).await?;
        Ok(decoded(&self.line().await?.unwrap_or_default()))
    }

    /// Takes a mail in. False when the connection is over.
    async fn data(&mut self) -> io::Result<bool> {
        self.say("354 end with a dot").await?;
        let mut data = String::new();
        loop {
            let Some(line) = self.line().await? else { return Ok(false) };
            if line == "." {
                break;
            }
            // A line that begins with a dot was given another one.
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push('\n');
            if data.len() > MAIL_MAX {
                self.say("552 5.3.4 too large").await?;
                return Ok(false);
            }
        }
        let refusal = self.account.met(Stage::Content);
        if let Some(said) = refusal.as_ref().and_then(|refusal| refusal.says()) {
            self.say(said).await?;
            return Ok(true);
        }
        self.account.keep(Mail {
            from: self.from.take().unwrap_or_default(),
            to: std::mem::take(&mut self.to),
            data,
            login: self.login.clone(),
            encrypted: self.encrypted,
        });
        if refusal.is_some() {
            self.stream.get_mut().shutdown().await?;
            return Ok(false);
        }
        self.say("250 2.0.0 queued").await?;
        Ok(true)
    }

    /// False when a refusal was met here and told.
    async fn goes_on(&mut self, stage: Stage) -> io::Result<bool> {
        let Some(refusal) = self.account.met(stage) else { return Ok(true) };
        match refusal.says() {
            Some(said) => self.say(said).await?,
            None => self.stream.get_mut().shutdown().await?,
        }
        Ok(false)
    }

    /// A line without its end; nothing at the end of the connection.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        (&mut self.stream).take(LINE_MAX).read_until(b'\n', &mut line).await?;
        let text = String::from_utf8_lossy(&line);
        Ok((!line.is_empty()).then(|| text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        stream.flush().await
    }
}

/// What stands between the angle brackets.
fn address(rest: &str) -> String {
    let inside = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or_else(String::new, |(address, _)| address.to_owned())
}

fn decoded(text: &str) -> String {
    STANDARD.decode(text.trim()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
