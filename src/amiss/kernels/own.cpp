// The kernel of a loss of one's own: compiled when `amiss.compile` asks for it, for the machine that it runs on.

#define AMISS_NAMESPACE amiss_own
#include "passes.h"

extern "C" __attribute__((visibility("default"))) const amiss::Entry* amiss_entry() { return amiss_own::entries; }
