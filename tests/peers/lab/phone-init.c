// phone-init TEMPLATE STATE PORT : what init does for adbd, for one phone of the lab.
//
// Own mount, pid, uts and ipc namespaces; TEMPLATE becomes / (read-only), STATE/data and
// STATE/storage are bound over /data and /storage (writable, and open to the host's tests),
// /dev and /proc are the phone's own. adbd runs as uid 2000 (shell) with a phone's groups.
// The network stays the host's, adbd listens on 127.0.0.1:PORT only.
//
// It is also the framework's half of "Allow USB debugging?": a key that adbd does not know is
// written to /data/lab/pending_key; then the content of /data/lab/tap decides, once:
//   allow   this connection only      always  and append it to /data/misc/adb/adb_keys
//   deny    refuse                    (no file: the user has not looked at the phone yet)
//
// ADBD34=NAME runs /system/adbd34/NAME instead, under the loader and with the libraries beside it.
// AS_ROOT=1 keeps root (adb root). Killing this process, or closing its standard input, ends the
// phone and all it started: a phone does not outlive the test that holds the other end.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define T(x) do { if ((x) < 0) { fprintf(stderr, "phone-init: %s: %s\n", #x, strerror(errno)); _exit(1); } } while (0)

static void node(const char* p, int maj, int min) { T(mknod(p, S_IFCHR | 0666, makedev(maj, min))); T(chmod(p, 0666)); }

static pid_t spawn_adbd(int ctl, const char* port) {
    pid_t p = fork();
    T(p);
    if (p) return p;
    char env_sock[64], addr[64];
    snprintf(env_sock, sizeof env_sock, "ANDROID_SOCKET_adbd=%d", ctl);
    snprintf(addr, sizeof addr, "service.adb.listen_addrs=tcp:localhost:%s\n", port);
    int f = open("/dev/adbd.prop", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    T(f); T(write(f, addr, strlen(addr))); close(f);
    char* env[] = {env_sock, "ADBD_PROPS=/system/build.prop:/dev/adbd.prop:/data/property/props",
                   "PATH=/product/bin:/apex/com.android.runtime/bin:/system/bin:/system/xbin:/vendor/bin",
                   "ANDROID_ROOT=/system", "ANDROID_DATA=/data", "ANDROID_STORAGE=/storage",
                   "EXTERNAL_STORAGE=/sdcard", "ADB_EXTERNAL_STORAGE=/sdcard", NULL};
    if (!getenv("AS_ROOT")) {
        gid_t g[] = {1004, 1007, 1011, 1015, 1028, 3001, 3002, 3003, 3006, 3009, 3011};
        T(setgroups(sizeof g / sizeof *g, g)); T(setgid(2000)); T(setuid(2000));
    }
    setsid();
    const char* newer = getenv("ADBD34");
    if (newer) {
        char program[64];
        snprintf(program, sizeof program, "/system/adbd34/%s", newer);
        // What the daemon starts has the phone's own libraries: nothing of this is in its environment.
        execle("/system/adbd34/lib/ld-linux-x86-64.so.2", "/system/bin/adbd", "--inhibit-cache",
               "--library-path", "/system/adbd34/lib", "--preload", "/system/adbd34/lib/phone-libc.so",
               "--argv0", "/system/bin/adbd", program, NULL, env);
        _exit(127);
    }
    execle("/system/bin/adbd", "/system/bin/adbd", NULL, env);
    _exit(127);
}

static int dial(void) {
    int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "/dev/socket/adbd"};
    if (s >= 0 && connect(s, (void*)&a, sizeof a) == 0) return s;
    if (s >= 0) close(s);
    return -1;
}

static void put(const char* path, int flags, const char* s, size_t n) {
    int f = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0640);
    if (f >= 0) { if (write(f, s, n) < 0) {} close(f); }
}

static int phone(const char* root, const char* state, const char* port) {
    char p[4096];
    T(mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    T(mount(root, root, NULL, MS_BIND, NULL));
    snprintf(p, sizeof p, "%s/data", state);
    T(chdir(root));
    T(mount(p, "data", NULL, MS_BIND, NULL));
    snprintf(p, sizeof p, "%s/storage", state);
    T(mount(p, "storage", NULL, MS_BIND, NULL));
    T(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=0755,size=1m"));
    T(mkdir("dev/pts", 0755)); T(mkdir("dev/socket", 0755));
    T(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,mode=0620,ptmxmode=0666"));
    T(symlink("pts/ptmx", "dev/ptmx"));
    T(symlink("/proc/self/fd", "dev/fd"));
    umask(0);
    node("dev/null", 1, 3); node("dev/zero", 1, 5); node("dev/full", 1, 7); node("dev/random", 1, 8);
    node("dev/urandom", 1, 9); node("dev/tty", 5, 0);
    T(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
    T(mount(NULL, root, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
    T(syscall(SYS_pivot_root, ".", "."));
    T(umount2(".", MNT_DETACH));
    T(chdir("/"));
    T(sethostname("localhost", 9));

    int ctl = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "/dev/socket/adbd"};
    T(ctl); T(bind(ctl, (void*)&a, sizeof a));
    pid_t adbd = spawn_adbd(ctl, port);

    int fw = -1;
    char key[4096];
    ssize_t key_n = 0;
    for (;;) {
        int st;
        pid_t w;
        while ((w = waitpid(-1, &st, WNOHANG)) > 0)
            if (w == adbd) { fprintf(stderr, "phone-init: adbd ended, status %x\n", st); return 1; }
        if (fw < 0) fw = dial();
        struct pollfd pf[2] = {{.fd = fw, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
        int ready = poll(pf, 2, 50);
        char buf[4096];
        if (ready > 0 && pf[1].revents && read(0, buf, sizeof buf) <= 0) return 0;
        if (ready > 0 && pf[0].revents) {
            ssize_t n = recv(fw, buf, sizeof buf - 1, 0);
            if (n <= 0) { close(fw); fw = -1; continue; }
            if (n > 2 && !memcmp(buf, "PK", 2)) {
                key_n = strnlen(buf + 2, n - 2);
                memcpy(key, buf + 2, key_n);
                put("/data/lab/pending_key", O_TRUNC, key, key_n);
            } else {
                put("/data/lab/auth.log", O_APPEND, buf, 2); put("/data/lab/auth.log", O_APPEND, "\n", 1);
            }
        }
        int f;
        if (key_n && fw >= 0 && (f = open("/data/lab/tap", O_RDONLY | O_CLOEXEC)) >= 0) {
            char t[16] = "";
            ssize_t n = read(f, t, sizeof t - 1);
            close(f);
            if (n < 4) continue;
            unlink("/data/lab/tap"); unlink("/data/lab/pending_key");
            if (!strncmp(t, "always", 6)) {
                key[key_n] = '\n';
                put("/data/misc/adb/adb_keys", O_APPEND, key, key_n + 1);
                T(chmod("/data/misc/adb/adb_keys", 0644));
            }
            key_n = 0;
            if (send(fw, strncmp(t, "deny", 4) ? "OK" : "NO", 2, 0) < 0) {}
        }
    }
}

int main(int argc, char** argv) {
    if (argc != 4) { fprintf(stderr, "usage: phone-init TEMPLATE STATE PORT\n"); return 2; }
    T(unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC));
    pid_t p = fork();
    T(p);
    if (!p) {
        T(prctl(PR_SET_PDEATHSIG, SIGKILL));
        _exit(phone(argv[1], argv[2], argv[3]));
    }
    int st;
    while (waitpid(p, &st, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(st) ? WEXITSTATUS(st) : 1;
}
