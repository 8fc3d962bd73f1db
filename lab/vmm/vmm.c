// SPDX-License-Identifier: GPL-2.0-only
/*
 * Usage: vmm io PLUGS KILLS
 *        vmm churn SECONDS DEVICES
 *
 * In the guest: QEMU as a VMM, with NVMe disks that are in QEMU processes of their own, by
 * x-pci-proxy-dev, whose interrupts are resampling irqfds.
 *
 * io boots a Linux on it, which writes and reads its disks (disk.c), and meanwhile pulls a
 * disk's device and plugs it in again, PLUGS times, and kills QEMU and starts it again, KILLS
 * times.  It prints KTAP, and for each case what was done until then:
 *
 *   # done: CASE: N boots, N plugs, N kills, N interrupts, N bytes
 *
 * churn starts QEMU with so many devices, and kills it as soon as its firmware has their
 * interrupts routed, again and again.
 *
 * Exit status 1 if a case failed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef QEMU
#define QEMU "/usr/bin/qemu-system-x86_64"
#endif
/* In the guest's guest, NVMe commands time out sooner than by default. */
#define APPEND "console=ttyS0 panic=-1 loglevel=5 no_timer_check nvme_core.io_timeout=15 nvme_core.admin_timeout=15"
/* What may take long takes as long on a busy host. */
#ifndef LIMIT
#define LIMIT 240
#endif

enum { DEVICES = 24, FIRST_SLOT = 2 };

/* A process that has a device, and the end of its socket that is the VMM's. */
static struct device { pid_t pid; int fd; } used[DEVICES], spare[DEVICES];
static struct stream { int fd, ended; size_t len; char text[1 << 16], line[1 << 16]; } qmp, console;
static pid_t vmm;
static int devices;

static struct counts { unsigned long interrupts, bytes, operations[DEVICES]; } now, all;
static unsigned long boots, plugs, kills;
static int trouble, back;
static const char *title;
static jmp_buf failed;

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	printf("# ");
	vprintf(format, list);
	printf("\n");
	va_end(list);
	longjmp(failed, 1);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* The command line that spawn() runs. */
static char *args[200];
static int nargs;

__attribute__((format(printf, 1, 2))) static void arg(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	if (vasprintf(&args[nargs++], format, list) < 0)
		abort();
	va_end(list);
}

/* The process has these files and no others of ours: a socket ends when its peer does. */
static pid_t spawn(const int *fds, int nfds)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (nfds--)
			fcntl(fds[nfds], F_SETFD, 0);
		dup2(open("/dev/null", O_RDWR), 0);
		dup2(open("/tmp/qemu.log", O_WRONLY | O_CREAT | O_APPEND, 0600), 1);
		dup2(1, 2);
		execv(QEMU, args);
		_exit(127);
	}
	while (nargs)
		free(args[--nargs]);
	memset(args, 0, sizeof(args));
	return pid;
}

static void pair(int *fds)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		fail("socketpair: %m");
}

static void common_args(const char *machine)
{
	arg(QEMU);
	arg("-machine"), arg("%s", machine);
	arg("-nodefaults"), arg("-no-user-config");
	arg("-display"), arg("none");
}

/* Spares have the same file, so it is not locked. */
static struct device start_device(int i)
{
	struct device device;
	char file[30];
	int fds[2], fd;

	snprintf(file, sizeof(file), "/tmp/d%d", i);
	fd = open(file, O_WRONLY | O_CREAT, 0600);
	if (ftruncate(fd, 4 << 20))
		fail("%s: %m", file);
	close(fd);
	pair(fds);
	common_args("x-remote,accel=tcg");
	arg("-drive"), arg("file=%s,format=raw,if=none,id=d,file.locking=off", file);
	arg("-device"), arg("nvme,id=nvme,serial=d%d,drive=d", i);
	arg("-object"), arg("x-remote-object,id=r,devid=nvme,fd=%d", fds[1]);
	device.pid = spawn(&fds[1], 1);
	device.fd = fds[0];
	close(fds[1]);
	return device;
}

/* With Linux, or with the firmware alone. */
static void start_vmm(int with_linux)
{
	int fds[DEVICES + 2], qmp_fds[2], console_fds[2], i;

	pair(qmp_fds);
	pair(console_fds);
	common_args("pc,accel=kvm,kernel-irqchip=on,memory-backend=m");
	arg("-object"), arg("memory-backend-memfd,id=m,size=128M");
	arg("-m"), arg("128M");
	arg("-cpu"), arg("qemu64");
	arg("-no-reboot");
	arg("-chardev"), arg("socket,id=qmp,fd=%d", fds[0] = qmp_fds[1]);
	arg("-mon"), arg("chardev=qmp,mode=control");
	arg("-chardev"), arg("socket,id=console,fd=%d", fds[1] = console_fds[1]);
	arg("-serial"), arg("chardev:console");
	if (with_linux) {
		arg("-kernel"), arg("/vmm/kernel");
		arg("-initrd"), arg("/vmm/initramfs.cpio");
		arg("-append"), arg("%s disks=d0,d1,d2", APPEND);
	}
	for (i = 0; i < devices; i++) {
		arg("-device"), arg("x-pci-proxy-dev,id=d%d,addr=%d,fd=%d", i, FIRST_SLOT + i, fds[i + 2] = used[i].fd);
	}
	vmm = spawn(fds, devices + 2);
	close(qmp_fds[1]);
	close(console_fds[1]);
	qmp.fd = qmp_fds[0];
	console.fd = console_fds[0];
	qmp.len = console.len = qmp.ended = console.ended = 0;
	memset(&now, 0, sizeof(now));
	boots++;
}

/* What the guest's guest must not say. */
static void hear(const char *line)
{
	static regex_t bad;

	if (!bad.re_nsub && regcomp(&bad, "(timeout|nobody cared|MISMATCH|FAILED|BUG|WARNING|Oops|Call Trace|panic)",
				    REG_EXTENDED))
		abort();
	printf("# nested: %s\n", line);
	trouble += !regexec(&bad, line, 0, NULL, 0);
	back += !!strstr(line, " is back");
}

static char *next_line(struct stream *stream)
{
	char *end = memchr(stream->text, '\n', stream->len);
	size_t len = end ? end + 1 - stream->text : 0;

	if (!end)
		return NULL;
	memcpy(stream->line, stream->text, len);
	stream->line[strcspn(stream->line, "\r\n")] = 0;
	stream->len -= len;
	memmove(stream->text, end + 1, stream->len);
	return stream->line;
}

static void fill(struct stream *stream)
{
	ssize_t n = read(stream->fd, stream->text + stream->len, sizeof(stream->text) - stream->len);

	if (n > 0)
		stream->len += n;
	else
		stream->ended = 1;
}

/* A line with that text, of QEMU's or of the guest's. */
static const char *await(const char *text)
{
	struct pollfd fds[] = { { .events = POLLIN }, { .events = POLLIN } };
	double end = seconds() + LIMIT;
	char *line;

	for (;;) {
		while ((line = next_line(&console))) {
			hear(line);
			if (strstr(line, text))
				return line;
		}
		while ((line = next_line(&qmp))) {
			if (strstr(line, "\"error\""))
				fail("QEMU: %s", line);
			if (strstr(line, text))
				return line;
		}
		if (console.ended && qmp.ended)
			fail("QEMU has ended");
		if (seconds() > end)
			fail("waited %d s in vain for: %s", LIMIT, text);
		fds[0].fd = console.ended ? -1 : console.fd;
		fds[1].fd = qmp.ended ? -1 : qmp.fd;
		poll(fds, 2, 1000);
		if (fds[0].revents)
			fill(&console);
		if (fds[1].revents)
			fill(&qmp);
	}
}

/* One of QMP's commands, with a file. */
__attribute__((format(printf, 2, 3))) static const char *command(int fd, const char *format, ...)
{
	char text[300], control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { text, 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	va_list list;

	va_start(list, format);
	iov.iov_len = vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	if (sendmsg(qmp.fd, &msg, MSG_NOSIGNAL) < 0)
		fail("QMP: %m");
	return await("\"return\"");
}

/* A process that doesn't end is what a hang looks like. */
static void reap(pid_t *pid, const char *what)
{
	double end = seconds() + LIMIT;

	while (*pid && waitpid(*pid, NULL, WNOHANG) != *pid) {
		if (seconds() > end)
			fail("%s, pid %d, does not end", what, *pid);
		usleep(10000);
	}
	*pid = 0;
}

/* Of a device, our end of the socket, and its process, which ends when that does. */
static void give(struct device *device)
{
	if (device->fd >= 0)
		close(device->fd);
	device->fd = -1;
}

static void reap_device(struct device *device)
{
	give(device);
	reap(&device->pid, "the process of a device");
}

static void reap_all(void)
{
	int i;

	reap(&vmm, "the VMM");
	close(qmp.fd);
	close(console.fd);
	for (i = 0; i < devices; i++) {
		reap_device(&used[i]);
		reap_device(&spare[i]);
	}
}

/* How often each disk was read and written. */
static void report(const char *line, struct counts *counts)
{
	const char *p = strstr(line, "disk: ");
	int i;

	if (!p || sscanf(p, "disk: %lu interrupts, %lu bytes", &counts->interrupts, &counts->bytes) != 2)
		fail("what does this mean: %s", line);
	for (i = 0; i < devices; i++) {
		p = strchr(p + 1, 'd');
		while (p && sscanf(p, "d%*d %lu operations", &counts->operations[i]) != 1)
			p = strchr(p + 1, 'd');
		if (!p)
			fail("%d disks of %d: %s", i, devices, line);
	}
}

static void tell(const char *what)
{
	if (write(console.fd, what, strlen(what)) < 0)
		fail("console: %m");
}

/* Each disk does so much more. */
static void works(unsigned long n)
{
	double end = seconds() + LIMIT;
	struct counts before = now;
	int i = 0;

	while (i < devices) {
		if (seconds() > end)
			fail("d%d does nothing", i);
		usleep(200000);
		tell("report\n");
		report(await(" interrupts, "), &now);
		for (i = 0; i < devices && now.operations[i] >= before.operations[i] + n; i++)
			;
	}
}

/* What is counted begins anew when the VMM does. */
static void account(void)
{
	all.interrupts += now.interrupts;
	all.bytes += now.bytes;
	memset(&now, 0, sizeof(now));
}

static void boot(void)
{
	int i;

	for (i = 0; i < devices; i++)
		used[i] = start_device(i);
	start_vmm(1);
	for (i = 0; i < devices; i++)
		give(&used[i]);
	command(-1, "{\"execute\":\"qmp_capabilities\"}");
	works(20);
}

static void shut_down(void)
{
	tell("stop\n");
	report(await(" interrupts, "), &now);
	await("disk: ended");
	if (!now.interrupts)
		fail("no interrupts");
	account();
	reap_all();
}

/* The spare runs already, so that the GSI is used again at once. */
static void plug(int i)
{
	back = 0;
	command(-1, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"d%d\"}}", i);
	await("DEVICE_DELETED");
	command(spare[i].fd, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"s\"}}");
	command(-1, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"x-pci-proxy-dev\","
		    "\"id\":\"d%d\",\"addr\":\"%d\",\"fd\":\"s\"}}", i, FIRST_SLOT + i);
	if (!back)
		await(" is back");
	reap_device(&used[i]);
	give(&spare[i]);
	used[i] = spare[i];
	spare[i] = start_device(i);
	plugs++;
	works(20);
}

static void use(int unused)
{
	(void)unused;
	boot();
	works(200);
	shut_down();
}

/* Whose GSI no other device has, and then one of two that share theirs. */
static void plug_one(int i, int n)
{
	boot();
	spare[i] = start_device(i);
	while (n--)
		plug(i);
	shut_down();
}

static void plug_alone(int n)
{
	plug_one(0, n);
}

static void plug_shared(int n)
{
	plug_one(2, n);
}

static void kill_vmm(int n)
{
	while (n--) {
		boot();
		account();
		kill(vmm, SIGKILL);
		reap_all();
		kills++;
	}
	boot();
	shut_down();
}

/* Nothing of one case is left to the next. */
static void clean_up(void)
{
	int i;

	if (vmm > 0)
		kill(vmm, SIGKILL);
	for (i = 0; i < devices; i++) {
		if (used[i].pid > 0)
			kill(used[i].pid, SIGKILL);
		if (spare[i].pid > 0)
			kill(spare[i].pid, SIGKILL);
	}
	if (!setjmp(failed))
		reap_all();
}

static int run_case(int number, const char *name, void (*test)(int), int n)
{
	static int ok;

	title = name;
	trouble = 0;
	ok = !setjmp(failed);
	if (ok)
		test(n);
	else
		clean_up();
	account();
	if (trouble)
		printf("# %d lines of the guest's guest are of trouble\n", trouble);
	ok = ok && !trouble;
	printf("# done: %s: %lu boots, %lu plugs, %lu kills, %lu interrupts, %lu bytes\n",
	       title, boots, plugs, kills, all.interrupts, all.bytes);
	printf("%sok %d - %s\n", ok ? "" : "not ", number, title);
	boots = plugs = kills = 0;
	memset(&all, 0, sizeof(all));
	return !ok;
}

/* Of the VMM's devices, those whose interrupts go somewhere. */
static int routed(const char *line)
{
	int n = 0;

	while ((line = strstr(line, "\"qdev_id\": \"d"))) {
		line = strchr(line + 13, '"');
		n += !strncmp(line, "\", \"irq\": 1", 11);
	}
	return n;
}

/* The processes of the devices outlive the VMM. */
static void churn(int limit)
{
	double end = seconds() + limit;
	char junk[100];
	int i;

	for (i = 0; i < devices; i++)
		used[i] = start_device(i);
	while (seconds() < end) {
		start_vmm(0);
		command(-1, "{\"execute\":\"qmp_capabilities\"}");
		while (routed(command(-1, "{\"execute\":\"query-pci\"}")) < devices)
			usleep(50000);
		kill(vmm, SIGKILL);
		reap(&vmm, "the VMM");
		kills++;
		close(qmp.fd);
		close(console.fd);
		usleep(50000);
		for (i = 0; i < devices; i++)
			while (recv(used[i].fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
				;
	}
	qmp.fd = console.fd = -1;
	reap_all();
}

int main(int argc, char **argv)
{
	int bad = 0, i;

	setlinebuf(stdout);
	for (i = 0; i < DEVICES; i++)
		used[i].fd = spare[i].fd = -1;
	if (argc == 4 && !strcmp(argv[1], "io")) {
		devices = 3;
		printf("TAP version 13\n1..4\n");
		bad += run_case(1, "shared and distinct GSIs", use, 0);
		bad += run_case(2, "device pulled and plugged, its GSI distinct", plug_alone, atoi(argv[2]));
		bad += run_case(3, "device pulled and plugged, its GSI shared", plug_shared, atoi(argv[2]));
		bad += run_case(4, "VMM killed and started", kill_vmm, atoi(argv[3]));
	} else if (argc == 4 && !strcmp(argv[1], "churn") && atoi(argv[3]) <= DEVICES) {
		devices = atoi(argv[3]);
		printf("TAP version 13\n1..1\n");
		bad += run_case(1, "VMMs come and go", churn, atoi(argv[2]));
	} else {
		fprintf(stderr, "usage: vmm io PLUGS KILLS | vmm churn SECONDS DEVICES\n");
		return 2;
	}
	return !!bad;
}
