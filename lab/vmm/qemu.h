/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU processes: one is the VMM, and others have its disks, one each.  What goes wrong ends the
 * case (vmm.c) that has set `failed`, by fail().
 */
#include <setjmp.h>
#include <sys/types.h>

/* Of seconds: four times what an NVMe command may take. */
#ifndef LIMIT
#define LIMIT 60
#endif

enum { DEVICES = 24, FIRST_SLOT = 2 };

/* A process that has a device, and the end of its socket that is the VMM's, or -1. */
struct device {
	pid_t pid;
	int fd;
};

extern struct device used[DEVICES], spare[DEVICES];
extern pid_t vmm;
extern int devices;		/* that the VMM has */
/* Lines of the guest's guest that tell of trouble, that a disk is there, or back. */
extern int trouble, there, back;
extern jmp_buf failed;

void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
double seconds(void);

struct device start_device(int i);
void start_vmm(int with_linux);

/* The sockets of a VMM's monitor, and of its guest's console. */
void listen_to(int qmp_fd, int console_fd);
void stop_listening(void);
/* A line with that text, of QEMU's monitor or of the guest's guest. */
const char *await(const char *text);
/* A command of QMP, as the arguments of printf(), with a file if FD isn't -1; what it returns. */
const char *command(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
void plug_in(int i, int fd);
void tell(const char *what);

/* Close our end of the device's socket. */
void give(struct device *device);
/* Wait for the end of what has been told to end; it not ending is what a hang looks like. */
void reap_vmm(void);
void reap_device(struct device *device);
void reap_all(void);
void kill_all(void);
/* Whether a QEMU has failed an assertion that is a known fault of its own. */
int asserted(void);
/* What QEMUs had to say, once. */
void show_log(void);
