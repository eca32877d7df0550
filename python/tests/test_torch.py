"""clconv.torch against torch in double precision, and as a drop-in."""
import copy
import io
import pickle
import random
import unittest
import warnings

from needs import needs

torch, functional, ours = needs("torch", "torch.nn.functional", "clconv.torch")

warnings.filterwarnings("ignore", message="Using padding='same'")
MODES = ["zeros", "reflect", "replicate", "circular"]


def random_layer(r, dtype):
    groups = r.choice([1, 1, 2])
    return torch.nn.Conv3d(groups * r.randint(1, 3), groups * r.randint(1, 4), tuple(r.randint(1, 3) for _ in range(3)),
                           stride=tuple(r.randint(1, 2) for _ in range(3)), padding=tuple(r.randint(0, 2) for _ in range(3)),
                           dilation=r.choice([1, 1, 2]), groups=groups, bias=r.random() < 0.7, padding_mode=r.choice(MODES),
                           dtype=dtype)


class Functions(unittest.TestCase):
    def close(self, got, right, scale):
        self.assertEqual(got.shape, right.shape)
        self.assertLessEqual(float((got.double() - right).detach().abs().max()) if got.numel() else 0.0, scale)

    def test_random_layers_and_gradients(self):
        r = random.Random(1)
        for i in range(24):
            torch.manual_seed(i)
            layer = random_layer(r, torch.float64)
            x = torch.randn(2, layer.in_channels, 6, 7, 8, dtype=torch.float64, requires_grad=True)
            right = layer(x)
            g = torch.randn_like(right)
            parameters = [x, *layer.parameters()]
            expected = torch.autograd.grad(right, parameters, g)
            mine = ours.replace_conv3d(copy.deepcopy(layer))
            self.assertIsInstance(mine, ours.Conv3d)
            got = mine(x)
            self.close(got, right, 1e-12)
            for a, b in zip(torch.autograd.grad(got, [x, *mine.parameters()], g), expected):
                self.close(a, b, 1e-11)
            with torch.no_grad():
                self.close(mine(x), right, 1e-12)

    def test_random_transposed(self):
        r = random.Random(2)
        for i in range(10):
            torch.manual_seed(i)
            stride, groups = r.randint(1, 3), r.choice([1, 2])
            dilation = r.randint(1, 2)
            layer = torch.nn.ConvTranspose3d(2 * groups, 3 * groups, r.randint(1, 3), stride, padding=r.randint(0, 1) if i % 2 else 0,
                                             output_padding=r.randint(0, max(stride, dilation) - 1), groups=groups,
                                             dilation=dilation, dtype=torch.float64)
            x = torch.randn(1, 2 * groups, 4, 5, 6, dtype=torch.float64, requires_grad=True)
            right = layer(x)
            g = torch.randn_like(right)
            expected = torch.autograd.grad(right, [x, *layer.parameters()], g)
            mine = ours.replace_conv3d(copy.deepcopy(layer))
            got = mine(x)
            self.close(got, right, 1e-12)
            for a, b in zip(torch.autograd.grad(got, [x, *mine.parameters()], g), expected):
                self.close(a, b, 1e-11)

    def test_gradcheck(self):
        torch.manual_seed(0)
        x = torch.randn(1, 2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
        w = torch.randn(4, 2, 2, 2, 2, dtype=torch.float64, requires_grad=True)
        b = torch.randn(4, dtype=torch.float64, requires_grad=True)
        for mode in [*MODES, "symmetric"]:
            def convolve(x, w, b, mode=mode):
                return ours.conv3d(x, w, b, (2, 1, 1), (1, 0, 1, 1, 0, 2), padding_mode=mode)

            self.assertTrue(torch.autograd.gradcheck(convolve, (x, w, b), fast_mode=True))
            self.assertTrue(torch.autograd.gradgradcheck(convolve, (x, w, b), fast_mode=True))
        b = torch.randn(6, dtype=torch.float64, requires_grad=True)
        x = torch.randn(1, 4, 2, 3, 2, dtype=torch.float64, requires_grad=True)
        w = torch.randn(4, 3, 2, 3, 2, dtype=torch.float64, requires_grad=True)

        def transpose(x, w, b):
            return ours.conv_transpose3d(x, w, b, (2, 1, 2), (1, 0, 1), (1, 1, 0), 2, (1, 2, 1))

        self.assertTrue(torch.autograd.gradcheck(transpose, (x, w, b)))
        self.assertTrue(torch.autograd.gradgradcheck(transpose, (x, w, b), fast_mode=True))

    def test_a_penalty_of_gradients_is_trained_as_by_torch(self):
        torch.manual_seed(1)
        layer, x = torch.nn.Conv3d(2, 3, 3, padding=1).double(), torch.randn(1, 2, 4, 5, 6, dtype=torch.float64)
        made = []
        for net in (layer, ours.replace_conv3d(copy.deepcopy(layer))):
            x = x.detach().requires_grad_()
            slope, = torch.autograd.grad(net(x).tanh().sum(), x, create_graph=True)
            made.append(torch.autograd.grad(slope.square().sum(), [x, *net.parameters()]))
        for mine, right in zip(made[1], made[0]):
            self.close(mine, right, 1e-10)

    def test_symmetric_padding_of_other_types(self):
        x, w = torch.randn(2, 3, 4, 5, requires_grad=True), torch.randn(2, 2, 3, 3, 3, requires_grad=True)
        made = []
        for convert in (lambda t: t, lambda t: t.to(torch.bfloat16)):
            y = ours.conv3d(convert(x), convert(w), padding=(1, 0, 2, 3, 3, 0), padding_mode="symmetric")
            made.append((y, *torch.autograd.grad(y.sum(), (x, w))))
        for mine, other in zip(*made):
            self.assertLessEqual(float((mine - other).detach().abs().max()), 0.02 * float(mine.detach().abs().max()) + 0.02)
        with self.assertRaisesRegex(RuntimeError, "symmetric"):
            ours.conv3d(x.to(torch.bfloat16), w.to(torch.bfloat16), padding=4, padding_mode="symmetric")

    def test_negated_and_reordered_tensors(self):
        torch.manual_seed(2)
        x, w = torch.randn(1, 2, 4, 5, 6, dtype=torch.complex128).conj().imag, torch.randn(3, 2, 2, 2, 2, dtype=torch.float64)
        self.assertTrue(x.is_neg())
        self.close(ours.conv3d(x, w), functional.conv3d(x, w), 1e-12)
        ordered = x.contiguous(memory_format=torch.channels_last_3d)
        self.close(ours.conv3d(ordered, w), functional.conv3d(x, w), 1e-12)

    def test_other_types_are_torchs(self):
        x, w = torch.ones(1, 1, 4, 4, 4, dtype=torch.bfloat16), torch.ones(1, 1, 3, 3, 3, dtype=torch.bfloat16)
        self.assertEqual(ours.conv3d(x, w).dtype, torch.bfloat16)
        with self.assertRaises(RuntimeError):
            ours.conv3d(torch.ones(1, 2, 4, 4, 4), torch.ones(1, 1, 3, 3, 3))

    def test_a_changed_weight_is_seen(self):
        x, w = torch.ones(1, 4, 5, 5, 8), torch.ones(8, 4, 3, 3, 3)
        with torch.no_grad():
            before = ours.conv3d(x, w)
            w.mul_(2)
            self.assertTrue(torch.equal(ours.conv3d(x, w), 2 * before))
            del w
            again = torch.full((8, 4, 3, 3, 3), 3.0)
            self.assertTrue(torch.equal(ours.conv3d(x, again), 3 * before))


class Special(torch.nn.Conv3d):
    """As torchvision's Conv3DSimple."""


class Own(torch.nn.Conv3d):
    def forward(self, x):
        return 2 * super().forward(x)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Special(3, 8, 3, padding=1, bias=False)
        self.norm = torch.nn.BatchNorm3d(8)
        self.relu = torch.nn.ReLU(inplace=True)
        self.second = torch.nn.Conv3d(8, 8, 3, padding=1)
        self.short = torch.nn.Conv3d(3, 8, 1)

    def forward(self, x):
        y = self.second(self.relu(self.norm(self.first(x))))
        y += self.short(x)
        return self.relu(y)


class Networks(unittest.TestCase):
    def test_replace_and_revert(self):
        net = torch.nn.Sequential(Block(), Own(8, 2, 1), torch.nn.ConvTranspose3d(2, 1, 2, 2))
        x = torch.randn(1, 3, 4, 5, 6)
        right = net(x)
        kept = [id(p) for p in net.parameters()]
        self.assertIs(ours.replace_conv3d(net), net)
        self.assertEqual(net.clconv_report.converted, ["0.first", "0.second", "0.short", "2"])
        self.assertIn("of its own", net.clconv_report.left["1"])
        self.assertIsInstance(net[0].first, Special)
        self.assertEqual([id(p) for p in net.parameters()], kept)
        for other in (net, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
            self.assertIsInstance(other[0].first, ours.modules.ConvolveByClconv)
            self.assertLess(float((other(x) - right).detach().abs().max()), 1e-4)
        file = io.BytesIO()
        torch.save(net.state_dict(), file)
        file.seek(0)
        ours.revert_conv3d(net).load_state_dict(torch.load(file))
        self.assertIs(type(net[0].first), Special)
        self.assertIs(type(net[2]), torch.nn.ConvTranspose3d)

    def test_include_exclude(self):
        net = ours.replace_conv3d(Block(), include=["s*"], exclude=["short"])
        self.assertEqual(net.clconv_report.converted, ["second"])
        self.assertEqual(ours.replace_conv3d(Block(), min_flops=1e9).clconv_report.converted, [])

    def test_fuse_inference(self):
        torch.manual_seed(3)
        net = Block()
        for _ in range(3):
            net(torch.randn(4, 3, 4, 5, 6))
        net.eval()
        x = torch.randn(1, 3, 4, 5, 6)
        with torch.no_grad():
            right, fused = net(x), ours.fuse_inference(net)
            self.assertLess(float((fused(x) - right).abs().max()), 1e-4)
        report = "\n".join(fused.clconv_report.converted)
        self.assertIn("first: conv + batchnorm + relu", report)
        self.assertIn("residual + relu", report)
        self.assertEqual([n for n, m in fused.named_modules() if isinstance(m, (torch.nn.BatchNorm3d, torch.nn.ReLU))], [])
        with self.assertRaises(RuntimeError):
            ours.fuse_inference(net.train())

    def test_training_is_the_same(self):
        torch.manual_seed(4)
        nets = [Block(), None]
        nets[1] = ours.replace_conv3d(copy.deepcopy(nets[0]))
        x = torch.randn(2, 3, 4, 5, 6)
        losses = []
        for net in nets:
            optimizer = torch.optim.SGD(net.parameters(), 0.05)
            for _ in range(5):
                optimizer.zero_grad()
                loss = functional.mse_loss(net(x), torch.ones(2, 8, 4, 5, 6))
                loss.backward()
                optimizer.step()
            losses.append(float(loss))
        self.assertAlmostEqual(losses[0], losses[1], delta=1e-4)
        ours.warmup(nets[1], x.shape)


@unittest.skipUnless(hasattr(torch.library, "register_fake"), "this torch takes no shapes of operators")
class Compiled(unittest.TestCase):
    def test_graphs_are_whole(self):
        nn = torch.nn
        torch.manual_seed(5)
        net = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU(), nn.Conv3d(4, 4, 3, 2, "valid"),
                            nn.ConvTranspose3d(4, 2, 2, 2, output_padding=1))
        ours.replace_conv3d(net)
        compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
        for shape in [(1, 1, 8, 9, 10), (2, 1, 7, 9, 12)]:
            x = torch.randn(shape)
            made = []
            for run in (net, compiled):
                y = run(x)
                made.append((y, *torch.autograd.grad(y.square().sum(), list(net.parameters()))))
                with torch.no_grad():
                    self.assertTrue(torch.equal(run(x), y))
            for mine, right in zip(*made):
                self.assertTrue(torch.equal(mine, right))

    def test_operators(self):
        x, w, g = torch.randn(1, 1, 5, 6, 7), torch.randn(4, 1, 3, 3, 3), torch.randn(1, 4, 5, 6, 7)
        geometry, operators = ([1] * 3, [1] * 6, [1] * 3, [0] * 3, 1), torch.ops.clconv
        torch.library.opcheck(operators.convolution.default, (x, w, None, None, *geometry, "circular", "relu", 0.0, True))
        torch.library.opcheck(operators.gradients.default, (x, w, g, *geometry, "zeros", 5))
        torch.library.opcheck(operators.transposed.default, (g, w, None, [2] * 3, [1] * 6, [1] * 3, [1] * 3, 1, False))


if __name__ == "__main__":
    unittest.main()
