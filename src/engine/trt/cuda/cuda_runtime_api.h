// All that NvInfer's headers need of CUDA. Found last, so a real toolkit's header comes before it; the shim calls nothing
// of CUDA, so a machine without a toolkit can compile it.
#pragma once
typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
