/* A fake of NVIDIA's libnvidia-ml and libcuda: one GPU, whose state is a file that all processes share (FAKE_GPU).
   Built by tests/fake_gpu/__init__.py. Signatures and layouts are those of nvml.h and cuda.h. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define USERS 16
#define MIB (1024ULL * 1024ULL)
enum { TAKES = 0, REFUSES = 1, IGNORES = 2 };
enum { SUCCESS = 0, INVALID = 2, NO_PERMISSION = 4, NOT_FOUND = 6, INSUFFICIENT = 7 };

struct user { int32_t pid, burns; uint64_t used; };
struct gpu {
    int32_t highest, idle, locked, lock_does, reset_does, memory_does, burn_does, unused;
    uint64_t total;
    struct user users[USERS];
};

static struct gpu *gpu;
static const char uuid[] = "GPU-fa4e0000-1111-2222-3333-444444444444";

/* One process may have several in turn. */
static int opened(void) {
    static char before[256];
    const char *name = getenv("FAKE_GPU");
    if (gpu && name && !strcmp(name, before)) return 1;
    if (name) snprintf(before, sizeof before, "%s", name);
    int file = name ? open(name, O_RDWR) : -1;
    if (file < 0) return 0;
    void *there = mmap(0, sizeof *gpu, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (there == MAP_FAILED) return 0;
    gpu = there;
    return 1;
}

/* The driver takes back what a process had when it ends. */
static int lives(int pid) {
    char name[64], state = 'X';
    snprintf(name, sizeof name, "/proc/%d/stat", pid);
    FILE *stat = fopen(name, "r");
    if (!stat) return 0;
    if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1) state = 'X';
    fclose(stat);
    return state != 'Z' && state != 'X';
}

static void prune(void) {
    for (int i = 0; i < USERS; i++)
        if (gpu->users[i].pid && !lives(gpu->users[i].pid)) memset(&gpu->users[i], 0, sizeof gpu->users[i]);
}

static struct user *me(void) {
    prune();
    for (int i = 0; i < USERS; i++)
        if (gpu->users[i].pid == getpid()) return &gpu->users[i];
    for (int i = 0; i < USERS; i++)
        if (!gpu->users[i].pid) { gpu->users[i].pid = getpid(); return &gpu->users[i]; }
    abort();
}

static uint64_t used(void) {
    uint64_t sum = 0;
    prune();
    for (int i = 0; i < USERS; i++) sum += gpu->users[i].used;
    return sum;
}

static int burns(void) {
    prune();
    for (int i = 0; i < USERS; i++) if (gpu->users[i].burns) return 1;
    return 0;
}

/* libnvidia-ml */
const char *nvmlErrorString(int status) {
    return status == NO_PERMISSION ? "Insufficient Permissions" : status == NOT_FOUND ? "Not Found" : "Fake Error";
}
int nvmlInit_v2(void) { return opened() ? SUCCESS : NOT_FOUND; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = gpu; return index ? INVALID : SUCCESS; }
int nvmlDeviceGetHandleByUUID(const char *wanted, void **device) {
    *device = gpu;
    return strcmp(wanted, uuid) ? NOT_FOUND : SUCCESS;
}
int nvmlDeviceGetUUID(void *device, char *text, unsigned length) {
    return snprintf(text, length, "%s", uuid) < (int)length && device == gpu ? SUCCESS : INVALID;
}
struct pci { char legacy[16]; unsigned domain, bus, device, id, subsystem; char text[32]; };
int nvmlDeviceGetPciInfo_v3(void *device, struct pci *pci) {
    memset(pci, 0, sizeof *pci);
    pci->bus = 0x65;
    strcpy(pci->text, "00000000:65:00.0");
    return device == gpu ? SUCCESS : INVALID;
}
int nvmlDeviceGetClockInfo(void *device, int kind, unsigned *clock) {
    *clock = gpu->locked ? gpu->locked : burns() ? gpu->highest : gpu->idle;
    return kind || device != gpu ? INVALID : SUCCESS;
}
int nvmlDeviceGetMaxClockInfo(void *device, int kind, unsigned *clock) {
    *clock = gpu->highest;
    return kind || device != gpu ? INVALID : SUCCESS;
}
int nvmlDeviceSetGpuLockedClocks(void *device, unsigned least, unsigned most) {
    if (device != gpu || least > most) return INVALID;
    if (gpu->lock_does == TAKES) gpu->locked = most;
    return gpu->lock_does == REFUSES ? NO_PERMISSION : SUCCESS;
}
int nvmlDeviceResetGpuLockedClocks(void *device) {
    if (gpu->reset_does == TAKES) gpu->locked = 0;
    return device == gpu ? SUCCESS : INVALID;
}
struct memory { unsigned long long total, free, used; };
int nvmlDeviceGetMemoryInfo(void *device, struct memory *memory) {
    memory->total = gpu->total; memory->used = used(); memory->free = gpu->total - used();
    return device == gpu ? SUCCESS : INVALID;
}
struct utilization { unsigned gpu, memory; };
int nvmlDeviceGetUtilizationRates(void *device, struct utilization *seen) {
    seen->gpu = burns() ? 100 : 0; seen->memory = 0;
    return device == gpu ? SUCCESS : INVALID;
}
struct process { unsigned pid; unsigned long long used; unsigned instance, compute; };
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, struct process *found) {
    unsigned room = *count;
    prune();
    *count = 0;
    for (int i = 0; i < USERS; i++) if (gpu->users[i].pid) {
        if (*count < room) { found[*count].pid = gpu->users[i].pid; found[*count].used = gpu->users[i].used; }
        ++*count;
    }
    return device != gpu ? INVALID : *count > room ? INSUFFICIENT : SUCCESS;
}

/* libcuda */
int cuGetErrorString(int status, const char **text) { *text = "out of memory"; return status < 0; }
int cuInit(unsigned flags) { return opened() && !flags ? 0 : 100; }
int cuDeviceGetByPCIBusId(int *device, const char *address) { *device = 0; return strcmp(address, "0000:65:00.0") ? 101 : 0; }
int cuCtxCreate_v2(void **context, unsigned flags, int device) { *context = me(); return flags || device; }
int cuCtxSetCurrent(void *context) { return !context; }
int cuMemGetInfo_v2(size_t *available, size_t *total) { *total = gpu->total; *available = gpu->total - used(); return 0; }
int cuMemAlloc_v2(uint64_t *pointer, size_t bytes) {
    if (gpu->memory_does == REFUSES || bytes > gpu->total - used()) return 2;
    me()->used += bytes;
    *pointer = 1;
    return 0;
}
int cuModuleLoadData(void **module, const void *image) { *module = gpu; return !strstr(image, ".entry burn"); }
int cuModuleGetFunction(void **function, void *module, const char *name) { *function = module; return strcmp(name, "burn"); }
int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned a, unsigned b, unsigned c, unsigned shared,
                   void *stream, void **arguments, void **extra) {
    if (function != gpu || x * y * z * a * b * c == 0 || shared || stream || extra) return 1;
    if (*(uint64_t *)arguments[0] < 1000000) return 1;
    me()->burns = gpu->burn_does == TAKES;
    return 0;
}
int cuCtxSynchronize(void) { usleep(10000); return 0; }
