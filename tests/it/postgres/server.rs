//! A real PostgreSQL for the tests of this process: made in a temporary folder, thrown away afterwards.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// The password of the tests' user; searched for in everything that is printed.
pub(crate) const PASSWORD: &str = "correct-horse";

/// A running server. It lives as long as the process of the tests: a shell that holds the other end of `alive` stops
/// it and removes its folder, however the process ends.
pub(crate) struct Server {
    port: u16,
    alive: ChildStdin,
}

static SERVER: OnceLock<Server> = OnceLock::new();

/// The server of this process.
pub(crate) fn server() -> &'static Server {
    SERVER.get_or_init(|| Server::start(""))
}

/// A database of its own for one test, in the server of this process.
pub(crate) fn database() -> String {
    server().database()
}

/// Runs as the user that owns the server: PostgreSQL does not run as root.
pub(super) const AS_OWNER: &str = r#"
owner() {
  if [ "$(id -u)" != 0 ]; then "$@"
  elif id postgres >/dev/null 2>&1; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
  else setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; fi
}
"#;

/// Makes the server, says that it runs, and stops it when nobody is there any more who could want it. Signals for
/// the tests are not meant for it.
const LIFE: &str = r#"
trap '' INT TERM HUP
cd "$FOLDER"
if [ "$(id -u)" = 0 ]; then chown -R "$(owner id -u)" "$FOLDER"; fi
printf '%s' "$PASSWORD" > password && chmod 644 password
owner "$BIN/initdb" -D data -U lockstep --pwfile=password --auth=scram-sha-256 -E UTF8 --locale=C >initdb.log 2>&1 \
  || { cat initdb.log; exit 1; }
start() { owner "$BIN/pg_ctl" -D data -l server.log -w -t 120 start >start.log 2>&1 -o "$OPTIONS"; }
start || { cat start.log server.log; exit 1; }
echo ready
while read -r order; do
  case "$order" in
    stop) owner "$BIN/pg_ctl" -D data -w -m immediate stop >stop.log 2>&1; echo done ;;
    start) start; echo done ;;
  esac
done
owner "$BIN/pg_ctl" -D data -w -m immediate stop >stop.log 2>&1
cd / && rm -rf "$FOLDER"
"#;

impl Server {
    /// Starts a server with further options of its own.
    pub(crate) fn start(options: &str) -> Self {
        Stoppable::start(options).let_run()
    }

    /// A database of its own.
    pub(crate) fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        psql(&self.url("postgres"), &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        url(self.port, database)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

fn url(port: u16, database: &str) -> String {
    format!("postgres://lockstep:{PASSWORD}@127.0.0.1:{port}/{database}")
}

/// A server that a test stops and starts again.
pub(crate) struct Stoppable {
    server: Server,
    told: BufReader<std::process::ChildStdout>,
    shell: Child,
}

impl Stoppable {
    pub(crate) fn start(options: &str) -> Self {
        Self::start_with(options, &[])
    }

    /// The same, with settings that name files.
    pub(crate) fn start_with(options: &str, files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap().keep();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let mut options = options.to_owned();
        for (name, text) in files {
            let file = folder.join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            options = format!("{options} -c {name}={}", file.display());
        }
        let port = free_port();
        let options = format!(
            "-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={} -c fsync=on -c max_connections=300 {options}",
            folder.display()
        );
        let mut shell = Command::new("sh")
            .args(["-c", &format!("{AS_OWNER}{LIFE}")])
            .env("FOLDER", &folder)
            .env("BIN", binaries())
            .env("OPTIONS", options)
            .env("PASSWORD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let alive = shell.stdin.take().unwrap();
        let mut told = BufReader::new(shell.stdout.take().unwrap());
        expect(&mut told, "ready");
        Self { server: Server { port, alive }, told, shell }
    }

    fn let_run(self) -> Server {
        self.server
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Stops it as a power cut does.
    pub(crate) fn stop(&mut self) {
        self.order("stop");
    }

    /// Starts it again.
    pub(crate) fn start_again(&mut self) {
        self.order("start");
    }

    fn order(&mut self, order: &str) {
        use std::io::Write as _;
        writeln!(self.server.alive, "{order}").unwrap();
        expect(&mut self.told, "done");
        assert!(self.shell.try_wait().unwrap().is_none());
    }
}

fn expect(told: &mut impl BufRead, word: &str) {
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    if line.trim() != word {
        std::io::Read::read_to_string(told, &mut line).unwrap();
        panic!("the PostgreSQL server of the tests did not do what it was told: {line}");
    }
}

/// One statement, or several.
pub(crate) fn psql(url: &str, sql: &str) -> String {
    let output = Command::new(binaries().join("psql"))
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The folder of `initdb` and its kin: Debian keeps them out of the path.
fn binaries() -> PathBuf {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    let all = ["initdb", "pg_ctl", "psql"];
    let found = folders.into_iter().find(|folder| all.iter().all(|name| folder.join(name).exists()));
    found.unwrap_or_else(|| panic!("PostgreSQL's `initdb` is not installed: `tests/run` installs it"))
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
