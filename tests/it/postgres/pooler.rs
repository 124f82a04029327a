//! A real PgBouncer in transaction mode before the tests' server.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::server::{AS_OWNER, PASSWORD, Server, free_port};

/// A running pooler; it ends with this value, or with the process.
pub(crate) struct Pooler {
    port: u16,
    _alive: ChildStdin,
    _shell: Child,
    _folder: TempDir,
}

/// Ends the pooler when nobody holds the other end any more.
const LIFE: &str = r#"
trap '' INT TERM HUP
cd "$FOLDER"
if [ "$(id -u)" = 0 ]; then chown "$(owner id -u)" "$FOLDER"; fi
owner "$PGBOUNCER" -d pgbouncer.ini >pgbouncer.out 2>&1 || exit 1
until [ -s pgbouncer.pid ]; do sleep 0.05; done
pid=$(cat pgbouncer.pid)
read -r _
kill -KILL "$pid"
"#;

impl Pooler {
    /// Fewer connections to the server than lockstep has to the pooler, so that they are really shared.
    pub(crate) fn before(server: &Server) -> Self {
        let folder = TempDir::new().unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let port = free_port();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = plain\nauth_file = users.txt\npool_mode = transaction\n\
             default_pool_size = 2\nmax_client_conn = 200\npidfile = pgbouncer.pid\nlogfile = pgbouncer.log\n",
            server.port()
        );
        fs::write(folder.path().join("pgbouncer.ini"), settings).unwrap();
        fs::write(folder.path().join("users.txt"), format!("\"lockstep\" \"{PASSWORD}\"\n")).unwrap();
        let mut shell = Command::new("sh")
            .args(["-c", &format!("{AS_OWNER}{LIFE}")])
            .env("FOLDER", folder.path())
            .env("PGBOUNCER", binary())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(folder.path().join("pgbouncer.log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_mins(1), "PgBouncer does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { port, _alive: shell.stdin.take().unwrap(), _shell: shell, _folder: folder }
    }

    /// The address of a database of the server, through the pooler.
    pub(crate) fn url(&self, of_server: &str) -> String {
        let (_, database) = of_server.rsplit_once('/').unwrap();
        format!("postgres://lockstep:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }
}

/// Debian keeps it beside the other daemons, which is not in everybody's path.
fn binary() -> &'static str {
    ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"]
        .into_iter()
        .find(|path| fs::exists(path).unwrap_or(false))
        .unwrap_or_else(|| panic!("PgBouncer is not installed: `tests/run` installs it"))
}
