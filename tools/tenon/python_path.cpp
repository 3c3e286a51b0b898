// python-path: where the Python packages lie that stand in for others.
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "tenon/command.h"

namespace tenon::cli {

void add_python_path(CLI::App& app) {
  auto* command = app.add_subcommand("python-path", "print the folder that PYTHONPATH needs for `import tensorrt`");
  command->callback([] {
    namespace fs = std::filesystem;
    const fs::path here = fs::canonical("/proc/self/exe").parent_path();
    for (const char* folder : {"../python/tenon/drop_in", "../drop_in"})  // of a build folder, of the package
      if (fs::is_directory(here / folder)) {
        std::printf("%s\n", fs::canonical(here / folder).c_str());
        return;
      }
    fail(ErrorCode::kUnsupported, "the Python packages are not beside ", here.string(),
         "; those of a build folder or of an installed package are known");
  });
}

}  // namespace tenon::cli
