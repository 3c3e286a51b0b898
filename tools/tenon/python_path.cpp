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
    // Of a build folder or an install; of the package.
    for (const char* folder : {"../python/tenon/drop_in", "../drop_in"})
      if (fs::is_directory(here / folder)) {
        std::printf("%s\n", fs::canonical(here / folder).c_str());
        return;
      }
    fail(ErrorCode::kUnsupported, "there are no Python packages beside ", here.string(),
         "; they come with an install (TENON_INSTALL_PYTHON), a build folder or `pip install`, whose own tenon finds "
         "them");
  });
}

}  // namespace tenon::cli
