// SPDX-License-Identifier: GPL-2.0-only
/*
 * @TITLE@
 *
 * Found by irqfd_fuzz_test, minimised by lab/minimise.py.  x86-64, needs /dev/kvm:
 *
 *	gcc -O2 -Wall -pthread -static -o repro repro.c && ./repro
 *
 * Each thread takes its steps over and over again; exits with 1 if an interrupt is
 * lost, i.e. a resamplefd isn't signalled for ten seconds, and with 0 after @ROUNDS@
 * rounds.  What else can go wrong, the kernel says: KASAN, lockdep, a hang.
 *
 * The guest, of one vCPU, takes interrupts, and acknowledges them; it masks, at the
 * pins of the I/O APIC, what it is told to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ROUNDS		@ROUNDS@
#define NR_THREADS	3
#define NR_SLOTS	4
#define GSI_BASE	16
#define NR_FIRE_GSIS	7
#define GSI_KICK	23
#define VECTOR_BASE	0x40
#define unused		__attribute__((unused))

/* The guest's memory, mapped at 0: IDT, code, stack, and what it shares with us. */
#define CODE		0x1000
#define STACK		0x3000
#define SHARED		0x4000
#define MEMORY		0x8000

struct shared {
	uint32_t wanted;	/* GSIs, by bit, that it shall mask */
	uint32_t masked;	/* ... that it has masked */
	uint32_t kicks;		/* how often it was kicked */
	uint32_t ready;		/* whether its local APIC takes interrupts */
};

asm(".pushsection .rodata\n"
    ".code32\n"
    "guest_begin:\n"
    "	movl $0x1ff, 0xfee000f0\n"		/* the local APIC: on */
    "	movl $1, 0x400c\n"
    "1:	cli\n"
    "	movl 0x4000, %eax\n"
    "	movl %eax, %ebx\n"
    "	xorl 0x4004, %ebx\n"
    "	movl $16, %ecx\n"
    "2:	btl %ecx, %ebx\n"
    "	jnc 3f\n"
    "	leal 0x10(,%ecx,2), %edx\n"
    "	movl %edx, 0xfec00000\n"
    "	movl 0xfec00010, %edi\n"
    "	xorl $0x10000, %edi\n"
    "	movl %edx, 0xfec00000\n"
    "	movl %edi, 0xfec00010\n"
    "3:	incl %ecx\n"
    "	cmpl $23, %ecx\n"
    "	jb 2b\n"
    "	movl %eax, 0x4004\n"
    "	sti\n"
    "	hlt\n"
    "	jmp 1b\n"
    "guest_kick:\n"
    "	incl 0x4008\n"
    "guest_irq:\n"
    "	movl $0, 0xfee000b0\n"			/* EOI */
    "	iret\n"
    "guest_end:\n"
    ".code64\n"
    ".popsection\n");
extern const char guest_begin[], guest_kick[], guest_irq[], guest_end[];

static int kvm, vm, vcpu;
static volatile struct shared *shared;
static pthread_barrier_t barrier;

struct slot {
	int fd, resamplefd;
	uint32_t gsi;
	enum { FREE, DEASSIGNED, PLAIN, RESAMPLING } state;
};

static __thread struct slot slots[NR_SLOTS];
static __thread unsigned int round;

static void die(const char *what)
{
	fprintf(stderr, "%s, errno = %d\n", what, errno);
	exit(2);
}

#define CHECK(x)	({ long r = (long)(x); if (r < 0) die(#x); r; })

static uint32_t random_us(unsigned int *seed, uint32_t max)
{
	return rand_r(seed) % ((max >> rand_r(seed) % 6) + 1);
}

static int kvm_irqfd(int vm, uint32_t gsi, int fd, int resamplefd, uint32_t flags)
{
	struct kvm_irqfd irqfd = {
		.fd = fd,
		.gsi = gsi,
		.flags = flags | (resamplefd >= 0 ? KVM_IRQFD_FLAG_RESAMPLE : 0),
		.resamplefd = resamplefd,
	};

	return ioctl(vm, KVM_IRQFD, &irqfd);
}

static void set_line(uint32_t gsi, int level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	CHECK(ioctl(vm, KVM_IRQ_LINE, &line));
}

/* Have the guest take what is pending. */
static unused void kick_guest(void)
{
	uint32_t kicks = shared->kicks;

	set_line(GSI_KICK, 1);
	while (shared->kicks - kicks < 2)
		usleep(50);
	set_line(GSI_KICK, 0);
}

/* Returns when the guest has. */
static unused void mask_gsi(uint32_t gsi, int on)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	uint32_t wanted, i;

	pthread_mutex_lock(&lock);
	wanted = on ? shared->wanted | 1u << gsi : shared->wanted & ~(1u << gsi);
	shared->wanted = wanted;
	/* Emulated CPUs may take interrupts between sti and hlt, and then halt. */
	do {
		kick_guest();
		for (i = 0; i < 200 && shared->masked != wanted; i++)
			usleep(50);
	} while (shared->masked != wanted);
	pthread_mutex_unlock(&lock);
}

/* All GSIs to the pins of their numbers, but for one. */
static unused void route_without(uint32_t gsi)
{
	struct {
		struct kvm_irq_routing routing;
		struct kvm_irq_routing_entry entries[8];
	} r = {};
	uint32_t i;

	for (i = GSI_BASE; i <= GSI_KICK; i++) {
		if (i == gsi)
			continue;
		r.entries[r.routing.nr++] = (struct kvm_irq_routing_entry) {
			.gsi = i,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = i },
		};
	}
	CHECK(ioctl(vm, KVM_SET_GSI_ROUTING, &r));
}

static void free_slot(struct slot *s)
{
	if (s->state == FREE)
		return;
	close(s->fd);
	close(s->resamplefd);
	s->state = FREE;
}

static void new_irqfd(struct slot *s, int resampling, int signalled)
{
	s->fd = CHECK(eventfd(signalled, 0));
	s->resamplefd = CHECK(eventfd(0, EFD_NONBLOCK));
	CHECK(kvm_irqfd(vm, s->gsi, s->fd, resampling ? s->resamplefd : -1, 0));
	s->state = resampling ? RESAMPLING : PLAIN;
}

/* It has been signalled. */
static unused void expect_interrupt(struct slot *s)
{
	struct pollfd pfd = { .fd = s->resamplefd, .events = POLLIN };

	if (poll(&pfd, 1, 10000) != 1) {
		printf("GSI %u: an interrupt is lost\n", s->gsi);
		fflush(stdout);
		_exit(1);
	}
}

static unused void drain(struct slot *s)
{
	eventfd_t count;

	eventfd_read(s->resamplefd, &count);
}

static unused void replace_irqfd(struct slot *s, unsigned int *random)
{
	free_slot(s);
	usleep(random_us(random, 1000));
	new_irqfd(s, 1, 1);
}

static unused void do_assign(int slot, uint32_t gsi, int resampling, unsigned int random)
{
	free_slot(&slots[slot]);
	slots[slot].gsi = gsi;
	new_irqfd(&slots[slot], resampling, rand_r(&random) % 2);
}

static unused void do_assign_again(int slot, unsigned int random)
{
	if (!kvm_irqfd(vm, GSI_BASE + rand_r(&random) % NR_FIRE_GSIS, slots[slot].fd, -1, 0))
		die("Assigned twice");
}

static unused void do_replace(int slot, unsigned int random)
{
	replace_irqfd(&slots[slot], &random);
	expect_interrupt(&slots[slot]);
}

static unused void do_replace_masked(int slot, unsigned int random)
{
	mask_gsi(slots[slot].gsi, 1);
	replace_irqfd(&slots[slot], &random);
	usleep(random_us(&random, 4000));
	mask_gsi(slots[slot].gsi, 0);
	expect_interrupt(&slots[slot]);
}

static unused void do_reroute(int slot, unsigned int random)
{
	route_without(slots[slot].gsi);
	usleep(random_us(&random, 1000));
	route_without(0);
	/* That of a plain irqfd, which was only about to de-assert it. */
	set_line(slots[slot].gsi, 0);
	do_replace(slot, random);
}

static unused void do_deassign(int slot)
{
	CHECK(kvm_irqfd(vm, slots[slot].gsi, slots[slot].fd, -1, KVM_IRQFD_FLAG_DEASSIGN));
	drain(&slots[slot]);
	slots[slot].state = DEASSIGNED;
}

static unused void do_close(int slot)
{
	free_slot(&slots[slot]);
}

static unused void do_signal(int slot)
{
	eventfd_write(slots[slot].fd, 1);
}

static unused void do_check(int slot)
{
	drain(&slots[slot]);
	do_signal(slot);
	expect_interrupt(&slots[slot]);
}

static unused void do_dup(int slot)
{
	int fd = CHECK(dup(slots[slot].fd));

	close(slots[slot].fd);
	slots[slot].fd = fd;
}

static unused void do_pass(int slot, int lose)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int fds[2];

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &slots[slot].fd, sizeof(int));
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
	CHECK(sendmsg(fds[0], &msg, 0));
	close(slots[slot].fd);
	if (lose) {
		close(slots[slot].resamplefd);
		slots[slot].state = FREE;
	} else {
		CHECK(recvmsg(fds[1], &msg, 0));
		memcpy(&slots[slot].fd, CMSG_DATA(cmsg), sizeof(int));
	}
	close(fds[0]);
	close(fds[1]);
}

static unused void do_irqchip(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	CHECK(ioctl(vm, KVM_GET_IRQCHIP, &chip));
}

static unused void do_fork(unsigned int random)
{
	uint32_t us = random_us(&random, 5000);
	pid_t pid = CHECK(fork());

	if (!pid) {
		usleep(us);
		_exit(0);
	}
	if (rand_r(&random) % 2)
		waitpid(pid, NULL, 0);
}

/* A VM of its own, whose eventfds are new, or a slot's. */
static void other_vm(unsigned int *random)
{
	int i, fds[2 * NR_SLOTS], nr = 0, first = rand_r(random) % 2;
	int other = CHECK(ioctl(kvm, KVM_CREATE_VM, 0));

	CHECK(ioctl(other, KVM_CREATE_IRQCHIP));
	for (i = 0; i < NR_SLOTS; i++) {
		int shared = slots[i].state != FREE && rand_r(random) % 2;

		fds[nr] = CHECK(shared ? dup(slots[i].fd) : eventfd(0, 0));
		fds[nr + 1] = CHECK(eventfd(0, 0));
		if (rand_r(random) % 2)
			kvm_irqfd(other, GSI_BASE + i, fds[nr], -1, 0);
		else
			kvm_irqfd(other, GSI_BASE + i / 2, fds[nr], fds[nr + 1], 0);
		if (rand_r(random) % 2)
			eventfd_write(fds[nr], 1);
		nr += 2;
	}
	if (first)
		close(other);
	while (nr)
		close(fds[--nr]);
	if (!first)
		close(other);
}

static unused void do_other_vm(unsigned int random)
{
	other_vm(&random);
}

static unused void do_killed_vm(unsigned int random)
{
	uint32_t us = random_us(&random, 50000);
	pid_t pid = CHECK(fork());

	if (!pid) {
		for (;;)
			other_vm(&random);
	}
	usleep(us);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* In a process with a single file descriptor to spare, which a VM takes. */
static unused void do_exhaust(void)
{
	struct rlimit limit = { .rlim_cur = 256, .rlim_max = 256 };
	pid_t pid = CHECK(fork());
	int fd, last = -1, fds[2];

	if (pid) {
		waitpid(pid, NULL, 0);
		return;
	}
	fds[0] = eventfd(0, 0);
	fds[1] = eventfd(0, 0);
	setrlimit(RLIMIT_NOFILE, &limit);
	while ((fd = dup(0)) >= 0)
		last = fd;
	close(last);
	fd = ioctl(kvm, KVM_CREATE_VM, 0);
	ioctl(kvm, KVM_CREATE_VM, 0);
	ioctl(fd, KVM_CREATE_IRQCHIP);
	ioctl(fd, KVM_CREATE_VCPU, 0);
	kvm_irqfd(fd, GSI_BASE, fds[0], fds[1], 0);
	_exit(0);
}

static void *vcpu_thread(void *arg)
{
	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0) && errno != EINTR)
			die("KVM_RUN");
	}
	return NULL;
}

/* Flat segments of 4 GB, no paging. */
static void set_protected_mode(void)
{
	struct kvm_segment code = {
		.limit = ~0u, .selector = 8, .type = 11, .present = 1, .db = 1, .s = 1, .g = 1,
	};
	struct kvm_segment data = code;
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };
	struct kvm_sregs sregs;

	data.selector = 16;
	data.type = 3;
	CHECK(ioctl(vcpu, KVM_GET_SREGS, &sregs));
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 |= 1;
	sregs.idt.base = 0;
	sregs.idt.limit = 0x7ff;
	CHECK(ioctl(vcpu, KVM_SET_SREGS, &sregs));
	CHECK(ioctl(vcpu, KVM_SET_REGS, &regs));
}

/*
 * Interrupts and the code segment of the IDT's entries: as CS is loaded from the GDT
 * then, that is behind the IDT.
 */
static void set_idt_and_gdt(uint8_t *memory)
{
	uint64_t *idt = (uint64_t *)memory, *gdt = (uint64_t *)(memory + 0x800);
	struct kvm_sregs sregs;
	uint32_t gsi, handler;

	for (gsi = GSI_BASE; gsi <= GSI_KICK; gsi++) {
		handler = CODE + ((gsi == GSI_KICK ? guest_kick : guest_irq) - guest_begin);
		idt[VECTOR_BASE + gsi] = 8ull << 16 | 0x8e00ull << 32 | handler;
	}
	gdt[1] = 0x00cf9b000000ffffull;
	gdt[2] = 0x00cf93000000ffffull;
	CHECK(ioctl(vcpu, KVM_GET_SREGS, &sregs));
	sregs.gdt.base = 0x800;
	sregs.gdt.limit = 0x17;
	CHECK(ioctl(vcpu, KVM_SET_SREGS, &sregs));
}

static void unmask_pins(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	uint32_t gsi;

	CHECK(ioctl(vm, KVM_GET_IRQCHIP, &chip));
	for (gsi = GSI_BASE; gsi <= GSI_KICK; gsi++) {
		chip.chip.ioapic.redirtbl[gsi].bits = VECTOR_BASE + gsi;
		chip.chip.ioapic.redirtbl[gsi].fields.trig_mode = 1;
	}
	CHECK(ioctl(vm, KVM_SET_IRQCHIP, &chip));
}

static void start_guest(void)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	pthread_t thread;
	uint8_t *memory;

	kvm = CHECK(open("/dev/kvm", O_RDWR));
	vm = CHECK(ioctl(kvm, KVM_CREATE_VM, 0));
	CHECK(ioctl(vm, KVM_CREATE_IRQCHIP));
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	region.userspace_addr = (uintptr_t)memory;
	CHECK(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
	vcpu = CHECK(ioctl(vm, KVM_CREATE_VCPU, 0));
	memcpy(memory + CODE, guest_begin, guest_end - guest_begin);
	shared = (struct shared *)(memory + SHARED);
	set_protected_mode();
	set_idt_and_gdt(memory);
	unmask_pins();
	pthread_create(&thread, NULL, vcpu_thread, NULL);
	/* Before, an interrupt would be lost. */
	while (!shared->ready)
		usleep(50);
}

@STEPS@
static void *fuzzer_thread(void *steps)
{
	int i;

	for (round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&barrier);
		((void (*)(void))steps)();
		for (i = 0; i < NR_SLOTS; i++)
			free_slot(&slots[i]);
	}
	return NULL;
}

int main(void)
{
	void (*steps[])(void) = { @THREADS@ };
	int i, nr = sizeof(steps) / sizeof(steps[0]);
	pthread_t threads[NR_THREADS];

	start_guest();
	pthread_barrier_init(&barrier, NULL, nr);
	for (i = 0; i < nr; i++)
		pthread_create(&threads[i], NULL, fuzzer_thread, steps[i]);
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	printf("nothing happened\n");
	return 0;
}
