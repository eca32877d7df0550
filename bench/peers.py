"""The peers of clconv and their workers: processes that stay alive and are given one line at a time, each answered by
one JSON object (workers/worker.h). Several peers may be variants of one library: its best counts."""
import collections
import json
import os
import select
import signal
import subprocess
import tempfile

Peer = collections.namedtuple("Peer", "name library command environment")

GRADIENT_PEERS = ("clconv", "onednn")  # those that compute gradients start so

ANSWER_SECONDS = 300  # beyond what a request itself takes


def all_peers(repository, build, threads):
    """clconv first."""
    installed, workers = os.path.join(repository, ".venv"), os.path.join(repository, "bench", "workers")
    # oneDNN's newest build computes on an OpenCL device: the runtime that is installed beside it.
    newest = {"OCL_ICD_FILENAMES": os.path.join(installed, "onednn", "lib", "libintelocl.so")}
    python = os.path.join(installed, "peers", "bin", "python")
    peers = [Peer("clconv", "clconv", [os.path.join(build, "bench", "worker_clconv")], {})]
    for build_name, environment in (("onednn", newest), ("onednn_gomp", {}), ("onednn_debian", {})):
        program = os.path.join(build, "bench", "worker_" + build_name)
        for variant in ("plain", "blocked"):
            peers.append(Peer(f"{build_name}-{variant}", "oneDNN", [program, variant], environment))
    for name, library, script in (("onnxruntime", "ONNX Runtime", "onnx_runtime.py"),
                                  ("openvino", "OpenVINO", "open_vino.py")):
        peers.append(Peer(name, library, [python, os.path.join(workers, script), str(threads)], {}))
    for variant in ("plain", "packed"):
        command = ["/usr/bin/python3", os.path.join(workers, "pytorch.py"), variant, str(threads)]
        peers.append(Peer(f"torch-{variant}", "PyTorch", command, {}))
    return peers


def common_environment(threads):
    """What tells each library the number of threads; the driver's CPU affinity, which all inherit, tells the rest. And
    large allocations in huge pages for all, where the system leaves that to a program; and threads bound to CPUs of their
    own, where that can be asked for and the CPUs are those that PoCL counts on."""
    names = ("OMP_NUM_THREADS", "POCL_MAX_PTHREAD_COUNT", "POCL_CPU_MAX_CU_COUNT", "DPCPP_CPU_NUM_CUS")
    bound = {"POCL_AFFINITY": "1", "OMP_PROC_BIND": "true"}
    return {**{name: str(threads) for name in names}, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
            **(bound if os.sched_getaffinity(0) == set(range(threads)) else {})}


class WorkerFailed(Exception):
    """The worker said that it cannot, or is no longer there. One line, however much the library had to say."""

    def __init__(self, text):
        super().__init__(" ".join(text.split())[:200])


class Worker:
    """A peer's process. One that has died is started again for the next request. Between requests it is stopped by a
    signal: threads of some libraries go on spinning for a while, which may slow whoever comes next."""

    def __init__(self, peer, threads):
        self.peer, self.process, self.version = peer, None, None
        self.environment = {**os.environ, **common_environment(threads), **peer.environment}
        self.start()

    def start(self):
        self.stderr = tempfile.TemporaryFile()
        try:
            self.process = subprocess.Popen(self.peer.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=self.stderr, env=self.environment, bufsize=0)
        except OSError as error:
            self.stderr.close()
            raise WorkerFailed(f"not installed ({error.strerror})") from error
        self.version = self.read(ANSWER_SECONDS)["ready"]

    def ask(self, request, seconds=0):
        if self.process is None:
            self.start()
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(request.encode() + b"\n")
        except OSError:
            pass  # it has died; read() says so
        answer = self.read(seconds + ANSWER_SECONDS)
        if "error" in answer:
            raise WorkerFailed(answer["error"])
        return answer

    def read(self, seconds):
        """The next answer, after which the process is stopped. Other lines are a library's talk."""
        pending = b""
        while True:
            if not select.select([self.process.stdout], [], [], seconds)[0]:
                self.stop()
                raise WorkerFailed(f"no answer in {seconds:.0f} s")
            block = self.process.stdout.read(65536)
            if not block:
                raise WorkerFailed(self.last_words())
            pending += block
            while b"\n" in pending:
                line, pending = pending.split(b"\n", 1)
                if line.startswith(b"{"):
                    self.process.send_signal(signal.SIGSTOP)
                    return json.loads(line)

    def last_words(self):
        status = self.process.wait()
        self.stderr.seek(0)
        lines = self.stderr.read().decode(errors="replace").strip().splitlines()
        self.stop()
        return lines[-1] if lines else f"ended with status {status}"

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for file in (self.process.stdin, self.process.stdout, self.stderr):
                file.close()
            self.process = None
