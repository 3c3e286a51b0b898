// The release that a client was compiled against, by the version that the C entry points receive.
#pragma once
#include <cstdint>

namespace tenon::nvinfer {

/// The major release of a client's version. Throws kVersionMismatch where the client's objects have another shape than
/// this level's.
int client_major(int32_t version);

/// The version that this library answers for; level `all` chooses by TENON_TRT_API.
int32_t library_version();

}  // namespace tenon::nvinfer
