// The release that a client was compiled against, by the version that the C entry points receive.
#pragma once
#include <cstdint>

namespace tenon::nvinfer {

/// The major release of a client's version. Throws kVersionMismatch where the client's objects have another shape than
/// this level's.
int client_major(int32_t version);

}  // namespace tenon::nvinfer
