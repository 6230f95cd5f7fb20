using System.Buffers.Binary;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;

namespace Kernel;

/// <summary>
/// SHA-256 (FIPS 180-4, section 6.2) of eight short messages at once, one to a lane of 256-bit registers. The ledger hashes every row and every
/// node above it; asked one by one, most of the time goes into calling the cryptographic library, and not into hashing.
/// </summary>
public static class Sha256Lanes
{
    public const int Count = 8, DigestBytes = 32;
    private const int BlockBytes = 64, WordsPerBlock = 16, LengthBytes = 8;

    // The first 32 bits of the fractional parts of the cube roots of the first 64 primes, and of the square roots of the first 8.
    private static readonly uint[] K =
    [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ];
    private static readonly uint[] H = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

    /// <summary>Room that a message of so many bytes needs in its lane.</summary>
    public static int BytesFor(int messageBytes) => (messageBytes + 1 + LengthBytes + BlockBytes - 1) / BlockBytes * BlockBytes;

    /// <param name="lanes">each message at the start of its lane, <paramref name="laneBytes"/> apart; what follows it there is overwritten</param>
    /// <param name="lengths">of the messages, in bytes, up to <see cref="Count"/> of them</param>
    /// <param name="digests">new arrays of 32 bytes, one for each message</param>
    public static void Hash(Span<byte> lanes, int laneBytes, ReadOnlySpan<int> lengths, Span<byte[]> digests)
    {
        // Few would leave most lanes empty, and without the registers there are no lanes.
        if (!Vector256.IsHardwareAccelerated || lengths.Length <= 2)
        {
            for (var i = 0; i < lengths.Length; i++) digests[i] = SHA256.HashData(lanes.Slice(i * laneBytes, lengths[i]));
            return;
        }
        Span<int> blocks = stackalloc int[Count];
        var most = 0;
        for (var i = 0; i < lengths.Length; i++)
        {
            blocks[i] = Pad(lanes.Slice(i * laneBytes, BytesFor(lengths[i])), lengths[i]) / BlockBytes;
            most = Math.Max(most, blocks[i]);
        }
        Span<Vector256<uint>> state = stackalloc Vector256<uint>[H.Length];
        for (var i = 0; i < H.Length; i++) state[i] = Vector256.Create(H[i]);
        for (var block = 0; block < most; block++)
        {
            Compress(state, lanes[(block * BlockBytes)..], laneBytes);
            for (var i = 0; i < lengths.Length; i++)
                if (blocks[i] == block + 1) digests[i] = DigestOf(state, i);
        }
    }

    private static int Pad(Span<byte> lane, int length)
    {
        lane[length..].Clear();
        lane[length] = 0x80;
        BinaryPrimitives.WriteInt64BigEndian(lane[^LengthBytes..], length * 8L);
        return lane.Length;
    }

    private static byte[] DigestOf(ReadOnlySpan<Vector256<uint>> state, int lane)
    {
        var digest = new byte[DigestBytes];
        for (var i = 0; i < state.Length; i++) BinaryPrimitives.WriteUInt32BigEndian(digest.AsSpan(4 * i), state[i][lane]);
        return digest;
    }

    private static void Compress(Span<Vector256<uint>> state, ReadOnlySpan<byte> lanes, int laneBytes)
    {
        Span<Vector256<uint>> w = stackalloc Vector256<uint>[64];
        for (var t = 0; t < WordsPerBlock; t++) w[t] = Word(lanes[(4 * t)..], laneBytes);
        for (var t = WordsPerBlock; t < w.Length; t++)
        {
            var (x, y) = (w[t - 15], w[t - 2]);
            w[t] = w[t - 16] + (Rotate(x, 7) ^ Rotate(x, 18) ^ (x >>> 3)) + w[t - 7] + (Rotate(y, 17) ^ Rotate(y, 19) ^ (y >>> 10));
        }
        var (a, b, c, d, e, f, g, h) = (state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]);
        for (var t = 0; t < w.Length; t++)
        {
            var t1 = h + (Rotate(e, 6) ^ Rotate(e, 11) ^ Rotate(e, 25)) + ((e & f) ^ (~e & g)) + Vector256.Create(K[t]) + w[t];
            var t2 = (Rotate(a, 2) ^ Rotate(a, 13) ^ Rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d + t1, c, b, a, t1 + t2);
        }
        (state[0], state[1], state[2], state[3]) = (state[0] + a, state[1] + b, state[2] + c, state[3] + d);
        (state[4], state[5], state[6], state[7]) = (state[4] + e, state[5] + f, state[6] + g, state[7] + h);
    }

    /// <summary>The same word of every lane. A lane that is empty, or over, gives whatever stands there: nobody reads its state.</summary>
    private static Vector256<uint> Word(ReadOnlySpan<byte> lanes, int laneBytes) => Vector256.Create(
        At(lanes, 0), At(lanes, laneBytes), At(lanes, 2 * laneBytes), At(lanes, 3 * laneBytes),
        At(lanes, 4 * laneBytes), At(lanes, 5 * laneBytes), At(lanes, 6 * laneBytes), At(lanes, 7 * laneBytes));

    private static uint At(ReadOnlySpan<byte> lanes, int position) => BinaryPrimitives.ReadUInt32BigEndian(lanes[position..]);

    private static Vector256<uint> Rotate(Vector256<uint> x, int bits) => (x >>> bits) | (x << (32 - bits));
}
