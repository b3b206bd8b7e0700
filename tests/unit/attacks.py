"""Programs that try to score without solving the task: bodies of `f(x)`, whose right answer is x * x + 1.

The tests call `f` from outside and compare; whoever passes has computed the answer.
"""

BODIES = {
    "returns nothing": "return None",
    "exits with success": "raise SystemExit(0)",
    "exits below Python": "import os; os._exit(0)",
    "exits through quit": "quit()",
    "leaves an exit handler": "import atexit, os; atexit.register(os._exit, 0); raise SystemExit(0)",
    "equals everything": (
        "class Any:\n"
        "    def __eq__(self, other): return True\n"
        "    def __ne__(self, other): return False\n"
        "    def __bool__(self): return True\n"
        "    __hash__ = None\n"
        "return Any()"
    ),
    "equals everything as an int": (
        "class Any(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\nreturn Any(0)"
    ),
    "equals everything as a str": (
        "class Any(str):\n    def __eq__(self, other): return True\n    __hash__ = str.__hash__\nreturn Any()"
    ),
    "equals everything as a list": "class Any(list):\n    def __eq__(self, other): return True\nreturn Any()",
    "a class that equals": (
        "class Meta(type):\n    def __eq__(self, other): return True\n    __hash__ = type.__hash__\n"
        "class Any(metaclass=Meta): pass\nreturn Any"
    ),
    "lies about its module": (
        "class Any:\n    def __eq__(self, other): return True\n    def tolist(self): return self\n"
        "    dtype = type('D', (), {'name': 'int64'})\n    shape = ()\n"
        "Any.__module__ = 'numpy'\nreturn Any()"
    ),
    "prints a verdict": "print('passed'); print('{\"value\": 5}'); return 0",
    "writes a verdict to every descriptor": (
        "import os\nfor d in range(0, 64):\n    try: os.write(d, b'{\"value\": null}\\n')\n"
        "    except OSError: pass\nreturn 0"
    ),
    "answers ahead with guesses": (
        "import os, json\nfor d in range(3, 64):\n    try: os.write(d, b'{\"value\": 1}\\n' * 50)\n"
        "    except OSError: pass\nreturn 1"
    ),
    "names a value that is none": "return {'handle': [0, 'int']}",
    "sends a tag of its own": "return {'type': 'int'}",
    "patches AssertionError": "import builtins\nbuiltins.AssertionError = type('A', (BaseException,), {})\nreturn 0",
    "patches every builtin comparison": (
        "import builtins, operator\nbuiltins.all = builtins.any = lambda *a: True\n"
        "operator.eq = lambda *a: True\nbuiltins.abs = lambda *a: 0\nreturn 0"
    ),
    "patches the encoder": (
        "import sys\nfor name, m in list(sys.modules.items()):\n"
        "    if name.endswith('values'):\n        m.encode = lambda *a, **k: True\nreturn 0"
    ),
    "replaces the server's functions": (
        "import sys\nm = sys.modules['gristmill.evaluation.sandbox.inside.server']\n"
        "m.encode = lambda *a, **k: {'handle': [0, 'x']}\nm._Session._call = lambda *a: True\nreturn 0"
    ),
    "patches json": "import json\njson.dumps = lambda *a, **k: '{\"value\": true}'\nreturn 0",
    "patches json with garbage": "import json\njson.dumps = lambda *a, **k: '[' * 100000\nreturn 0",
    "walks the frames to the judge": (
        "import sys\nframe = sys._getframe()\nwhile frame:\n"
        "    for name in list(frame.f_locals):\n        if name in ('wanted', 'expected', 'passed'): return frame.f_locals[name]\n"
        "    frame = frame.f_back\nreturn 0"
    ),
    "looks for the tests in memory": (
        "import gc\nfor thing in gc.get_objects():\n    if isinstance(thing, dict) and 'check' in thing:\n"
        "        thing['check'] = lambda c: None\nreturn 0"
    ),
    "looks for the tests in strings": (
        "import gc\nfound = [s for d in gc.get_objects() if isinstance(d, (list, tuple)) for s in d\n"
        "         if isinstance(s, str) and 'assert candidate' in s]\nreturn found"
    ),
    "traces every call": (
        "import sys\ndef spy(frame, event, arg):\n    frame.f_locals.clear()\n    return spy\n"
        "sys.settrace(spy)\nsys.setprofile(spy)\nreturn 0"
    ),
    "raises what nobody catches": "raise BaseException('stop')",
    "raises with a hostile text": (
        "class E(Exception):\n    def __str__(self): raise SystemExit(0)\nraise E()"
    ),
    "interrupts its parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos.kill(1, signal.SIGKILL)\nreturn 0",
    "signals everybody": "import os, signal\nos.kill(-1, signal.SIGKILL)\nreturn 0",
    "stops itself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nimport time; time.sleep(60)",
    "ignores the end": (
        "import signal, time\nfor n in (1, 2, 14, 15, 24): signal.signal(n, signal.SIG_IGN)\ntime.sleep(60)"
    ),
    "sleeps": "import time; time.sleep(60); return x * x + 1",
    "burns processor time": "while True: pass",
    "burns it in C": "return sum(1 for _ in iter(int, 1))",
    "backtracks for ever": "import re; return re.match('(a+)+$', 'a' * 64 + 'b')",
    "a number without end": "return 7 ** (10 ** 9)",
    "memory bomb": "keep = []\nwhile True: keep.append(bytearray(1 << 24))",
    "memory bomb by children": (
        "import os\nfor _ in range(12):\n    if os.fork() == 0:\n"
        "        block = bytearray(200 << 20)\n        for at in range(0, len(block), 4096): block[at] = 1\n"
        "        import time; time.sleep(60)\nimport time; time.sleep(60)"
    ),
    "fork bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "thread bomb": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()"
    ),
    "floods the output": "while True: print('x' * 4096)",
    "floods its answer": "return 'x' * (64 << 20)",
    "an answer without end": "return (i for i in iter(int, 1))",
    "a very deep answer": "a = []\nfor _ in range(100000): a = [a]\nreturn a",
    "fills the disk": "n = 0\nwhile True:\n    open('/tmp/%d' % n, 'wb').write(bytes(1 << 20)); n += 1",
    "fills it with nothing": "import os\nn = 0\nwhile True:\n    os.mkdir('/tmp/%d' % n); n += 1",
    "follows a symlink out": (
        "import os\nos.symlink('/', '/tmp/root')\n"
        "return [n for n in os.listdir('/tmp/root/root')] + [open('/tmp/root/etc/shadow').read()]"
    ),
    "reads tests of the machine": (
        "import os\nfound = []\nfor base in ('/work', '/home', '/root', '/var', '/srv', '/mnt', '/opt', '/tmp'):\n"
        "    for folder, _, files in os.walk(base):\n        found += [f for f in files if 'eval' in f.lower()]\nassert found\nreturn found"
    ),
    "reads other processes": (
        "import os\nfor n in os.listdir('/proc'):\n    if n.isdigit() and int(n) != os.getpid():\n"
        "        return open('/proc/%s/environ' % n).read()\nraise LookupError"
    ),
    "writes its own memory through /proc": (
        "import os\nwith open('/proc/1/mem', 'r+b') as m:\n    m.seek(id(x)); m.write(b'1' * 8)\nreturn 0"
    ),
    "writes through /proc to a descriptor": (
        "import os\nfor n in os.listdir('/proc/self/fd'):\n    try: open('/proc/self/fd/' + n, 'wb').write(b'{\"value\": null}\\n')\n"
        "    except OSError: pass\nreturn 0"
    ),
    "traces another process": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.ptrace(16, 1, 0, 0) == 0\nreturn 0"
    ),
    "becomes root": "import os\nos.setuid(0)\nreturn 0",
    "makes namespaces": "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0\nreturn 0",
    "mounts": "import ctypes\nassert ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0\nreturn 0",
    "calls home": "import socket\nsocket.create_connection(('127.0.0.1', 80), 1)\nreturn 0",
    "calls by the kernel's abstract names": (
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('\\0/tmp/.X11-unix/X0')\nreturn 0"
    ),
    "leaves a child that answers": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        time.sleep(0.2)\n        for d in range(3, 64):\n            try: os.write(d, b'{\"value\": 1}\\n')\n"
        "            except OSError: pass\n    os._exit(0)\nreturn 0"
    ),
    "crashes the interpreter": "import ctypes; ctypes.string_at(0)",
    "recurses without end": "return f(x)",
    "replaces itself by another program": "import os; os.execv('/bin/true', ['true'])",
    "closes every descriptor": "import os; os.closerange(0, 1024); return x",
    "redefines itself": "globals()['f'] = lambda x: True; return f(x)",
    "changes the recursion and hash rules": "import sys; sys.setrecursionlimit(10**9)\nreturn f(x)",
}
