using Grpc.Core;

namespace Hosting;

/// <summary>Somebody wants a key to be let in, or to be let in no more.</summary>
/// <param name="Key">null where it is to be revoked</param>
public sealed record KeyOrder(string KeyId, AccessKey? Key);

/// <summary>Told of an order before it is carried out; throws where it must not be. A service that keeps what is ordered of it registers one.</summary>
public delegate Task KeyOrdered(KeyOrder order, ServerCallContext context);
