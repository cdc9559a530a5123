//! A real nginx in a folder of its own, and what operators do to it.
//!
//! Every wait is for something seen: the pid file, the workers under /proc, their open files. Nothing of it goes
//! through nginx's port, as a probe would take a number of the connection serial (`$connection`).

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// How long nginx may take for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// The nginx to test, named by `KEEPWARM_NGINX`; none if that is not set.
pub(crate) fn binary() -> Option<PathBuf> {
    let path = std::env::var("KEEPWARM_NGINX").ok().filter(|path| !path.is_empty())?;
    // USR2 executes the same name again, so it has to be absolute.
    Some(fs::canonicalize(&path).unwrap_or_else(|e| panic!("KEEPWARM_NGINX: {path}: {e}")))
}

/// A master process and its workers. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Nginx {
    dir: PathBuf,
    port: u16,
    workers: usize,
    master: u32,
    /// The process we started, to be reaped. With `daemon on` the master is not our child.
    child: Option<Child>,
    seen: BTreeSet<u32>,
}

impl Nginx {
    /// Starts nginx in `dir` with the given contents of the `http` block, in which `@DIR@` and `@PORT@` stand for the
    /// folder and a free port of 127.0.0.1. `daemon` is needed for [`Nginx::upgrade`] only: a daemon outlives a killed
    /// test.
    pub(crate) fn start(dir: &Path, http: &str, workers: usize, daemon: bool) -> Nginx {
        fs::create_dir_all(dir).expect("a folder in the temporary folder");
        // As /proc shows it, so that open files can be compared.
        let dir = fs::canonicalize(dir).expect("just made");
        let mut last = String::new();
        for _ in 0..10 {
            let port = free_port();
            write_conf(&dir, http, workers, daemon, port);
            let mut nginx = Nginx {
                dir: dir.clone(),
                port,
                workers,
                master: 0,
                child: None,
                seen: BTreeSet::new(),
            };
            match nginx.launch() {
                Ok(()) => return nginx,
                Err(message) if message.contains("Address already in use") => last = message,
                Err(message) => panic!("nginx did not start: {message}"),
            }
        }
        panic!("nginx did not start: {last}");
    }

    /// Where it listens, as a client connects to it.
    pub(crate) fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Every process id that this nginx has had, masters and workers.
    pub(crate) fn seen(&self) -> &BTreeSet<u32> {
        &self.seen
    }

    /// New configuration, new workers (HUP); ends when the old ones are gone.
    pub(crate) fn reload(&mut self) {
        let old = workers_of(self.master);
        signal(self.master, "HUP");
        self.await_workers("after HUP", |now| now.is_disjoint(&old));
    }

    /// Ends nginx gracefully, as Debian's service does, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.restart_after(|| ());
    }

    /// The same with something in between.
    pub(crate) fn restart_after(&mut self, meanwhile: impl FnOnce()) {
        self.stop();
        meanwhile();
        self.launch().expect("what started once starts again");
    }

    /// Kills one worker; the master starts another.
    pub(crate) fn kill_worker(&mut self) {
        let victim = *workers_of(self.master).first().expect("a running nginx has a worker");
        signal(victim, "KILL");
        self.await_workers("after KILL", |now| !now.contains(&victim));
    }

    /// Rotates access.log as logrotate does: rename to access.log.1 (and that to access.log.2), then USR1.
    pub(crate) fn rotate(&mut self) {
        let name = |n: u32| match n {
            0 => self.dir.join("access.log"),
            n => self.dir.join(format!("access.log.{n}")),
        };
        for n in (0..9).rev().filter(|&n| name(n).exists()) {
            fs::rename(name(n), name(n + 1)).expect("a log can be renamed");
        }
        signal(self.master, "USR1");
        let renamed = name(1);
        until("the logs to be reopened", &self.dir, || {
            name(0).exists() && workers_of(self.master).iter().all(|&pid| !has_open(pid, &renamed))
        });
    }

    /// A new master with new workers takes over (USR2), then the old one ends (QUIT). Needs `daemon`: nginx ignores the
    /// signal while its parent is the process that started it.
    pub(crate) fn upgrade(&mut self) {
        let old = self.master;
        signal(old, "USR2");
        until("a second master", &self.dir, || {
            self.pid_in_file().is_some_and(|pid| pid != old && is_running(pid))
        });
        self.master = self.pid_in_file().expect("just seen");
        self.seen.insert(self.master);
        self.await_workers("after USR2", |_| true);
        signal(old, "QUIT");
        until("the old master to end", &self.dir, || !is_running(old));
    }

    /// Ends nginx gracefully (QUIT): running requests are finished and logged.
    pub(crate) fn stop(&mut self) {
        self.end("QUIT");
        assert!(!is_running(self.master), "nginx did not end");
    }

    /// Starts the binary and waits for the pid file and the workers. nginx listens before it writes that file.
    fn launch(&mut self) -> Result<(), String> {
        let stderr = self.dir.join("stderr.txt");
        let child = Command::new(binary().expect("checked by the test"))
            .arg("-p")
            .arg(&self.dir)
            .arg("-c")
            .arg(self.dir.join("nginx.conf"))
            // The error log has local time and no zone. nginx hands this one down to its workers, and over USR2.
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&stderr).expect("a file in the temporary folder"))
            .spawn()
            .map_err(|e| e.to_string())?;
        let child = self.child.insert(child);
        let begin = Instant::now();
        self.master = loop {
            if child.try_wait().is_ok_and(|status| status.is_some_and(|s| !s.success())) {
                return Err(fs::read_to_string(&stderr).unwrap_or_default());
            }
            let pid = fs::read_to_string(self.dir.join("nginx.pid")).unwrap_or_default();
            match pid.trim().parse() {
                Ok(pid) if is_running(pid) => break pid,
                _ if begin.elapsed() > PATIENCE => return Err("no pid file".to_owned()),
                _ => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        self.seen.insert(self.master);
        self.await_workers("after the start", |_| true);
        Ok(())
    }

    fn pid_in_file(&self) -> Option<u32> {
        fs::read_to_string(self.dir.join("nginx.pid")).ok()?.trim().parse().ok()
    }

    /// Waits until all workers run and are as wanted, and remembers them.
    fn await_workers(&mut self, when: &str, wanted: impl Fn(&BTreeSet<u32>) -> bool) {
        until(&format!("workers {when}"), &self.dir, || {
            let now = workers_of(self.master);
            now.len() == self.workers && wanted(&now)
        });
        self.seen.extend(workers_of(self.master));
    }

    /// Sends `name` to the master and waits for its end; kills what is left after [`PATIENCE`].
    fn end(&mut self, name: &str) {
        if self.is_ours(self.master) {
            signal(self.master, name);
        }
        let begin = Instant::now();
        // An ending process closes its files before it is gone, so only its existence counts here.
        while is_running(self.master) && begin.elapsed() < PATIENCE {
            self.reap();
            std::thread::sleep(Duration::from_millis(2));
        }
        for &pid in self.seen.iter().filter(|&&pid| self.is_ours(pid)) {
            signal(pid, "KILL");
        }
        self.reap();
    }

    /// True while `pid` runs and is still this nginx, not a later process of the same number.
    fn is_ours(&self, pid: u32) -> bool {
        is_running(pid) && has_open(pid, &self.dir.join("error.log"))
    }

    fn reap(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.try_wait());
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.end("TERM");
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn write_conf(dir: &Path, http: &str, workers: usize, daemon: bool, port: u16) {
    // Started as root, workers would change to a user who may not enter the temporary folder.
    let root = fs::metadata(dir).is_ok_and(|meta| meta.uid() == 0);
    let user = if root { "user root;\n" } else { "" };
    let daemon = if daemon { "on" } else { "off" };
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path @DIR@/temp_{name};\n"))
        .concat();
    let conf = format!(
        "daemon {daemon};\nmaster_process on;\n{user}worker_processes {workers};\npid @DIR@/nginx.pid;\n\
         error_log @DIR@/error.log notice;\nevents {{ worker_connections 1024; }}\nhttp {{\n{temp}{http}}}\n"
    );
    let conf =
        conf.replace("@DIR@", &dir.display().to_string()).replace("@PORT@", &port.to_string());
    fs::write(dir.join("nginx.conf"), conf).expect("a file in the temporary folder");
}

/// A port of 127.0.0.1 on which nothing listens. It lies below the ports that Linux gives to outgoing connections, and
/// no two calls of one process get the same.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let offset = std::process::id().wrapping_mul(37).wrapping_add(NEXT.fetch_add(1, SeqCst));
        let port = u16::try_from(20_000 + offset % 12_000).expect("below 32,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The running worker processes of a master, without those that are shutting down and without cache managers.
fn workers_of(master: u32) -> BTreeSet<u32> {
    let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
    let children = children.unwrap_or_default();
    let pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.filter(|&pid| title(pid) == "nginx: worker process").collect()
}

/// True while a process exists that is more than a zombie.
pub(crate) fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn title(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end_matches(['\0', ' ']).to_owned()
}

fn has_open(pid: u32, path: &Path) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == path))
}

/// Sends a signal to a process we started. The shell's own `kill` is everywhere, the command is not.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("sh").arg("-c").arg(format!("kill -s {name} {pid}")).status();
    assert!(status.is_ok_and(|s| s.success()) || !is_running(pid), "kill -s {name} {pid} failed");
}

/// Waits for something that can be seen, and says what was missing and what nginx said if it does not come.
fn until(what: &str, dir: &Path, mut seen: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !seen() {
        let error_log = || fs::read_to_string(dir.join("error.log")).unwrap_or_default();
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}\n{}", error_log());
        std::thread::sleep(Duration::from_millis(2));
    }
}
