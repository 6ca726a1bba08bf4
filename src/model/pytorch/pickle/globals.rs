//! Which classes and functions a pickle may name, and which it may call.
//!
//! Nothing that is named here is ever executed. What is refused is refused because Python would execute it.
use super::Result;

/// Modules whose mere mention is refused: what is in them runs programs, code or other pickles.
const DANGEROUS: &str = "os posix nt subprocess sys shutil socket pty ctypes _ctypes importlib _frozen_importlib runpy code \
    codeop pickle _pickle marshal imp _imp commands popen2 platform multiprocessing _posixsubprocess asyncio webbrowser pdb bdb \
    timeit cProfile profile pydoc doctest pip setuptools pkg_resources distutils \
    ensurepip venv zipimport pkgutil dill cloudpickle joblib shelve tempfile urllib urllib2 http ftplib smtplib telnetlib \
    atexit sqlite3 xmlrpc idlelib lib2to3 rlcompleter";

/// Python's standard library (3.8 to 3.14, and 2.7's old names): its functions are not called, but for [`INERT`].
const STANDARD: &str = "__future__ _abc _ast _bisect _codecs _collections _collections_abc _compat_pickle _compression \
    _contextvars _csv _datetime _decimal _elementtree _functools _heapq _io _json _locale _operator _pydecimal _pyio _queue \
    _random _sre _stat _string _strptime _struct _symtable _typing _uuid _warnings _weakref _weakrefset _winapi abc aifc \
    annotationlib antigravity argparse array ast asynchat asyncore audioop base64 binascii bisect builtins bz2 calendar cgi \
    cgitb chunk cmath cmd codecs collections colorsys compileall compression concurrent configparser contextlib contextvars \
    copy copyreg crypt csv curses dataclasses datetime dbm decimal difflib dis email encodings enum errno faulthandler fcntl \
    filecmp fileinput fnmatch fractions functools genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac \
    gc html imaplib imghdr inspect io ipaddress itertools json keyword linecache locale logging lzma mailbox mailcap math mimetypes mmap \
    modulefinder msilib msvcrt netrc nis nntplib ntpath nturl2path numbers opcode operator optparse ossaudiodev pathlib \
    pickletools pipes plistlib poplib posixpath pprint pstats pwd py_compile pyclbr pyexpat queue quopri random re readline \
    reprlib resource sched secrets select selectors shlex signal site smtpd sndhdr socketserver spwd sre_compile sre_constants sre_parse \
    ssl stat statistics string stringprep struct sunau symtable sysconfig syslog tabnanny tarfile termios textwrap this threading time \
    tkinter token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types typing unicodedata unittest uu uuid warnings wave weakref \
    winreg winsound wsgiref xdrlib xml zipapp zipfile zlib zoneinfo";

/// What may be called though it is of the standard library, of PyTorch or of NumPy and is no class by its name. Each only makes
/// a value of its arguments.
const INERT: &str = "collections.OrderedDict builtins.dict builtins.list builtins.set builtins.tuple collections.defaultdict collections.Counter collections.deque collections.UserDict argparse.Namespace \
    types.SimpleNamespace types.GenericAlias pathlib.Path pathlib.PosixPath pathlib.WindowsPath pathlib.PurePath \
    pathlib.PurePosixPath pathlib.PureWindowsPath pathlib._local.PosixPath pathlib._local.WindowsPath \
    pathlib._local.PurePosixPath datetime.datetime datetime.date datetime.time datetime.timedelta datetime.timezone uuid.UUID \
    decimal.Decimal fractions.Fraction functools.partial re._compile logging.getLogger builtins.object builtins.complex \
    builtins.slice builtins.range builtins.type torch.device torch.Size torch.Generator \
    torch.serialization._get_layout numpy.dtype numpy.ndarray numpy.core.multiarray._reconstruct \
    numpy._core.multiarray._reconstruct numpy.core.numeric._frombuffer numpy._core.numeric._frombuffer";

/// Python's own functions whose mere mention is refused.
const BUILTINS: &str = "eval exec compile execfile open file input raw_input __import__ breakpoint globals locals vars setattr \
    delattr exit quit help memoryview reload apply";

/// The longest name of a class with its module.
const MAX_NAME: usize = 512;

fn listed(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|n| n == name)
}

/// Module and name as one, in Python 3's words.
pub fn full_name(module: &str, name: &str) -> String {
    // Protocol 2 has Python 2's names, which Python 3 takes for its own.
    let module = match module {
        "__builtin__" | "exceptions" => "builtins",
        "copy_reg" => "copyreg",
        "UserDict" | "UserList" | "UserString" => "collections",
        "commands" => "subprocess",
        "cPickle" => "pickle",
        "thread" => "_thread",
        "Queue" => "queue",
        "urllib2" => "urllib.request",
        "httplib" => "http.client",
        "_winreg" => "winreg",
        other => other,
    };
    format!("{module}.{name}")
}

fn module_of(full: &str) -> &str {
    full.split('.').next().unwrap_or_default()
}

/// The error for a class or function that is not called.
pub fn refusal(full: &str) -> String {
    let alias = match module_of(full) {
        "posix" | "nt" => format!(" (Python's os.{})", full.split_once('.').map_or("", |(_, n)| n)),
        _ => String::new(),
    };
    format!(
        "its pickle would call `{full}`{alias}, which is no part of a checkpoint; nothing of it was executed. Do not load this file with Python"
    )
}

/// Refuses what may not even be named.
pub fn check_mention(full: &str) -> Result<()> {
    if full.len() > MAX_NAME {
        return Err("its pickle is damaged: the name of a class is too long".into());
    }
    let module = module_of(full);
    let function = module == "builtins" && listed(BUILTINS, full.trim_start_matches("builtins."));
    if listed(DANGEROUS, module) || function {
        return Err(refusal(full));
    }
    Ok(())
}

/// Whether a call of it is kept as an object of that name. Outside of the standard library what has the name of a class is taken
/// for one.
pub fn check_call(full: &str) -> Result<()> {
    let last = full.rsplit('.').next().unwrap_or_default();
    let class = last.trim_start_matches('_').chars().next().is_some_and(char::is_uppercase);
    let ours = full.starts_with("torch._utils._rebuild_") || full.starts_with("numpy.random._pickle.");
    if listed(INERT, full) || ours || class && !listed(STANDARD, module_of(full)) {
        return Ok(());
    }
    Err(refusal(full))
}
