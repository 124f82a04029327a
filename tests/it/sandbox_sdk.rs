//! The vendors' own SDKs work against the simulators: the judge of their faithfulness.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lockstep::clock::{Clock, SystemClock};
use lockstep::sandbox::hubspot::PropertyShape;
use lockstep::sandbox::{Sandbox, SandboxOptions, stripe};
use lockstep::value::Value;

#[tokio::test(flavor = "multi_thread")]
async fn stripes_own_sdk_works_against_the_simulator() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let (secret, payload) = ("whsec_sdk", r#"{"id":"evt_1","object":"event","name":"Zoë"}"#);
    let timestamp = SystemClock.now().as_second();
    let signature = Value::map([
        ("secret", Value::from(secret)),
        ("payload", Value::from(payload)),
        ("timestamp", Value::from(timestamp)),
        ("header", Value::from(stripe::sign(secret, timestamp, payload.as_bytes()))),
    ]);
    let environment = vec![
        ("STRIPE_URL", sandbox.stripe().url()),
        ("STRIPE_KEY", sandbox.stripe().api_key().to_owned()),
        ("SIGNATURE", signature.to_json()),
    ];
    run("stripe.test.mjs", environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jsforce_as_an_sdk_works_against_the_simulator() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let salesforce = sandbox.salesforce();
    salesforce.page_length(2);
    let environment = vec![
        ("SALESFORCE_URL", salesforce.url()),
        ("SALESFORCE_ID", salesforce.client_id()),
        ("SALESFORCE_SECRET", salesforce.client_secret()),
    ];
    run("jsforce.test.mjs", environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hubspots_own_sdk_works_against_the_simulator() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let hubspot = sandbox.hubspot();
    hubspot.declare("contacts", "stripe_customer_id", PropertyShape::unique());
    hubspot.rate(30, 5);
    let environment = vec![("HUBSPOT_URL", hubspot.url()), ("HUBSPOT_TOKEN", hubspot.token())];
    run("hubspot.test.mjs", environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_community_sdk_works_against_the_bitrix24_simulator() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let webhook = sandbox.bitrix24().webhook_url();
    let run = move || {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/fast_bitrix24_test.py");
        let python = python_with_packages();
        say(Command::new(python).arg(script).env("BITRIX24_WEBHOOK", webhook))
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Ran 4 tests"), "{said}");
}

/// A virtual environment below `target/` with the packages of `tests/sdk/requirements.txt`, made once for each list of them;
/// processes wait for each other.
fn python_with_packages() -> PathBuf {
    let wanted = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/requirements.txt");
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk-python");
    fs::create_dir_all(&home).unwrap();
    let lock = fs::File::create(home.join(".installing")).unwrap();
    lock.lock().unwrap();
    let (python, stamp) = (home.join("venv/bin/python"), home.join(".installed"));
    let list = fs::read(&wanted).unwrap();
    if fs::read(&stamp).is_ok_and(|installed| installed == list) {
        return python;
    }
    let made = say(Command::new("python3").args(["-m", "venv", "--clear"]).arg(home.join("venv")));
    assert!(made.status.success(), "no virtual environment:\n{}", String::from_utf8_lossy(&made.stderr));
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    let output = say(Command::new(&python).args(pip).arg(&wanted));
    assert!(output.status.success(), "pip install failed:\n{}", String::from_utf8_lossy(&output.stderr));
    fs::write(stamp, list).unwrap();
    python
}

/// Runs one script with node's own test runner, and shows what it said when it fails.
pub(crate) async fn run(script: &'static str, environment: Vec<(&'static str, String)>) {
    let run = move || {
        let home = installed();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(script);
        // Beside the installed packages, where node looks for them.
        let here = home.join(script.file_name().unwrap());
        fs::copy(&script, &here).unwrap();
        say(Command::new("node").arg("--test").arg(&here).current_dir(&home).envs(environment))
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("fail 0") && !said.contains("\n# pass 0"), "node ran no test:\n{said}");
}

/// Installs the SDKs below `target/`, once for each lock file; processes wait for each other.
fn installed() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk");
    fs::create_dir_all(&home).unwrap();
    let lock = fs::File::create(home.join(".installing")).unwrap();
    lock.lock().unwrap();
    let wanted = fs::read(source.join("package-lock.json")).unwrap();
    let stamp = home.join(".installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return home;
    }
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), home.join(file)).unwrap();
    }
    let install = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
    let output = say(Command::new("npm").args(install).current_dir(&home));
    assert!(output.status.success(), "npm ci failed:\n{}", String::from_utf8_lossy(&output.stderr));
    fs::write(stamp, wanted).unwrap();
    home
}

fn say(command: &mut Command) -> Output {
    let name = command.get_program().to_string_lossy().into_owned();
    command.output().unwrap_or_else(|error| {
        panic!("`{name}` could not be started ({error}): these tests need Node.js 18 or newer with npm, and Python 3.9 or newer with venv; `tests/run` installs them")
    })
}
