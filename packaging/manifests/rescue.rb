# For a Homebrew tap. Builds from source; was never run on macOS.
class Rescue < Formula
  desc "Rescue photos and files from Android phones with broken screens"
  homepage "@DOWNLOADS@"
  url "@DOWNLOADS@/rescue-@VERSION@-source.tar.gz"
  sha256 "@SOURCE_SUM@"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args
    system bin/"rescue", "generate", "man", man1
    generate_completions_from_executable(bin/"rescue", "generate", "completions")
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/rescue --version")
    system bin/"rescue", "demo", testpath/"demo"
    assert_path_exists testpath/"demo/manifest-sha256.txt"
  end
end
