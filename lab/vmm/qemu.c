// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <fcntl.h>
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
#include "qemu.h"

#ifndef QEMU
#define QEMU "/usr/bin/qemu-system-x86_64"
#endif
#ifndef LOG
#define LOG "/tmp/qemu.log"
#endif
/*
 * When a device's BAR moves, QEMU tells the processes of all the other devices of the guest's memory anew,
 * and one that is just reading or writing a disk does not find again what it has mapped.
 */
#define ASSERTION "address_space_unmap: Assertion `mr != NULL' failed"
/*
 * NVMe commands time out sooner than by default, and then the driver looks whether it has lost an interrupt.
 * All interrupts are routed before a driver probes, as QEMU loses what is pending of any device when one is
 * routed (docs/vmm.md).
 */
#define APPEND "console=ttyS0 panic=-1 loglevel=5 no_timer_check highres=off nohz=off pci=routeirq " \
	"nvme_core.io_timeout=15 nvme_core.admin_timeout=15"

struct device used[DEVICES], spare[DEVICES];
pid_t vmm;
int devices;
jmp_buf failed;

void fail(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	printf("# ");
	vprintf(format, list);
	printf("\n");
	va_end(list);
	longjmp(failed, 1);
}

double seconds(void)
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
		dup2(open(LOG, O_WRONLY | O_CREAT | O_APPEND, 0600), 1);
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
struct device start_device(int i)
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
void start_vmm(int with_linux)
{
	int fds[DEVICES + 2], qmp_fds[2], console_fds[2], i;

	pair(qmp_fds);
	pair(console_fds);
	common_args("pc,accel=kvm,kernel-irqchip=on,memory-backend=m,hpet=off");
	arg("-object"), arg("memory-backend-memfd,id=m,size=128M");
	arg("-m"), arg("128M");
	arg("-cpu"), arg("qemu64");
	arg("-no-reboot");
	/* The proxy takes a 64-bit BAR for one of 32 bits: no addresses above 4 GB. */
	arg("-global"), arg("i440FX-pcihost.pci-hole64-size=0");
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
		arg("-device"), arg("x-pci-proxy-dev,id=d%d,addr=%x,fd=%d", i, FIRST_SLOT + i, fds[i + 2] = used[i].fd);
	}
	vmm = spawn(fds, devices + 2);
	close(qmp_fds[1]);
	close(console_fds[1]);
	listen_to(qmp_fds[0], console_fds[0]);
}

static void reap(pid_t *pid, const char *what)
{
	double end = seconds() + LIMIT;
	int status = 0;

	while (*pid && waitpid(*pid, &status, WNOHANG) != *pid) {
		if (seconds() > end)
			fail("%s, pid %d, does not end", what, *pid);
		usleep(10000);
	}
	*pid = 0;
	if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL : status)
		printf("# %s has ended with status %#x\n", what, status);
}

void reap_vmm(void)
{
	reap(&vmm, "the VMM");
	stop_listening();
}

void give(struct device *device)
{
	if (device->fd >= 0)
		close(device->fd);
	device->fd = -1;
}

void reap_device(struct device *device)
{
	give(device);
	reap(&device->pid, "the process of a device");
}

void reap_all(void)
{
	int i;

	reap_vmm();
	for (i = 0; i < devices; i++) {
		reap_device(&used[i]);
		reap_device(&spare[i]);
	}
}

void kill_all(void)
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
}

static int read_log(int show)
{
	FILE *file = fopen(LOG, "r");
	char line[500];
	int found = 0;

	while (file && fgets(line, sizeof(line), file)) {
		found |= !!strstr(line, ASSERTION);
		if (show)
			printf("# QEMU: %s", line);
	}
	if (file)
		fclose(file);
	return found;
}

int asserted(void)
{
	return read_log(0);
}

void show_log(void)
{
	read_log(1);
	remove(LOG);
}
