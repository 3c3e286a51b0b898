// What may lie in an engine's inputs and outputs when it runs on the host.
#pragma once

namespace tenon {

/// False for memory that only a GPU reaches, as a driver in the process tells; true without a driver.
bool host_reaches(const void* memory);

}  // namespace tenon
